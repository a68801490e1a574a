"""Files of torch.save are read without PyTorch, and nothing in them is run."""

import os
import pickle
import random
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from seeded import GOLDEN

from r3d_jax.errors import InputError
from r3d_jax.weights.pth import read_pth

FILES = ["tensors.pth", "tensors_legacy.pth"]  # written by PyTorch 2.13, in both of its formats


@pytest.mark.parametrize("name", FILES)
def test_tensors_come_as_arrays(name):
    content = read_pth(GOLDEN / name)
    values = np.arange(24).reshape(2, 3, 4)
    expected = {
        **{"plain": (values, np.float32), "transposed": (values.transpose(2, 0, 1), np.float32)},
        **{"tail": (np.arange(20, 24), np.float32), "parameter": (values[0], np.float32)},
        **{"half": (values, np.float16), "bfloat16": (values, jnp.bfloat16), "double": (values, np.float64)},
        **{"count": (7, np.int64), "flags": (values > 11, np.bool_), "empty": (np.zeros((0, 3)), np.float32)},
    }
    for key, (array, dtype) in expected.items():
        np.testing.assert_array_equal(content[key].astype(np.float64), np.asarray(array, np.float64), err_msg=key)
        assert content[key].dtype == dtype
    np.testing.assert_array_equal(content["nested"]["a"], values)
    assert content["nested"]["b"][1] == (1.5, "text", None) and content["epoch"] == 3 and content["size"] == (2, 3, 4)


class Hostile:
    """What a pickle of it does: creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def as_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")


def as_legacy(path, content):
    magic = [pickle.dumps(value, protocol=2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    path.write_bytes(b"".join(magic) + content)


@pytest.mark.parametrize("write", [as_zip, as_legacy])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_hostile_pickle_is_refused_and_not_run(write, protocol, tmp_path):
    trace, file = tmp_path / "was_here", tmp_path / "hostile.pth"
    write(file, pickle.dumps({"fc.weight": Hostile(trace)}, protocol=protocol))
    with pytest.raises(
        InputError, match=r"hostile.pth asks to run (posix|nt).system, .* refused, and nothing of it was"
    ):
        read_pth(file)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Hostile(trace)))
    assert trace.exists(), "the pickle of this test does no harm even where it is run"


REBUILD = "ctorch._utils\n_rebuild_tensor_v2\n"


def tensor_pickle(offset, shape, strides, count=4):
    """The pickle of one tensor over a storage of `count` floats."""
    numbers = "".join(f"I{n}\n" for n in (offset,))
    storage = f"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI{count}\ntQ"
    tuples = "".join("(" + "".join(f"I{n}\n" for n in each) + "t" for each in (shape, strides))
    return f"{REBUILD}({storage}{numbers}{tuples}I00\nNtR.".encode()


@pytest.mark.parametrize(
    "offset, shape, strides",
    [(0, (5,), (1,)), (2, (3,), (1,)), (0, (2, 2), (4, 1)), (-1, (2,), (1,)), (3, (2,), (-1,)), (0, (9, 9), (0, 0))],
)
def test_a_tensor_outside_its_storage_is_refused(offset, shape, strides, tmp_path):
    file = tmp_path / "outside.pth"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", tensor_pickle(offset, shape, strides))
        archive.writestr("archive/data/0", np.arange(4, dtype=np.float32).tobytes())
    with pytest.raises(InputError, match="lies outside its storage of 4 values"):
        read_pth(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", tensor_pickle(1, (3,), (1,)))
        archive.writestr("archive/data/0", np.arange(4, dtype=np.float32).tobytes())
    np.testing.assert_array_equal(read_pth(file), [1, 2, 3])


def test_a_pickle_that_would_take_all_memory_is_refused(tmp_path):
    file = tmp_path / "greedy.pth"
    as_zip(file, b"\x80\x02}r\xff\xff\xff\x7f.")  # an empty dict, noted as object number 2 ** 31 - 1
    with pytest.raises(InputError, match=r"greedy.pth numbers its objects so that .* all memory; refused"):
        read_pth(file)


def test_an_archive_that_unpacks_to_more_than_itself_is_refused(tmp_path):
    file = tmp_path / "bomb.pth"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", tensor_pickle(0, (1,), (1,)))
        archive.writestr("archive/data/0", bytes(10**7))
    with pytest.raises(InputError, match="unpacks to more than its own size"):
        read_pth(file)


def test_a_program_and_a_file_of_something_else_name_pytorch_as_the_way_out(tmp_path):
    file = tmp_path / "program.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("program/data.pkl", pickle.dumps({}))
        archive.writestr("program/constants.pkl", pickle.dumps(()))
    for content in (file.read_bytes(), b"", b"not weights", (GOLDEN / "tensors_legacy.pth").read_bytes()[:1500]):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"cannot be read .*; if PyTorch can \(pip install torch\)"):
            read_pth(file)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_raise_one_kind_of_error(name, tmp_path):
    """Bytes flipped or cut at random: what is read is read, and what is not raises InputError."""
    chance, file = random.Random(0), tmp_path / "damaged.pth"
    sound, refused = (GOLDEN / name).read_bytes(), 0
    for _ in range(300):
        content = bytearray(sound)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        file.write_bytes(content[: chance.choice([len(content), chance.randrange(len(content))])])
        try:
            read_pth(file)
        except InputError:
            refused += 1
    assert 100 < refused < 300
