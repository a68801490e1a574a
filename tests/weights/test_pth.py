"""Files of torch.save are read without PyTorch, and nothing in them is run."""

import argparse
import contextlib
import datetime
import os
import pickle
import random
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from seeded import GOLDEN
from torchlike import modules, write_pth

from r3d_jax.errors import InputError
from r3d_jax.weights.pth import read_pth
from r3d_jax.weights.recognise import state_dict_of

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


def legacy(content):
    return content + pickle.dumps([], protocol=2)  # no storages


@pytest.mark.parametrize("write", [as_zip, lambda path, content: as_legacy(path, legacy(content))])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_hostile_pickle_is_not_run(write, protocol, tmp_path):
    trace, file = tmp_path / "was_here", tmp_path / "hostile.pth"
    write(file, pickle.dumps({"fc.weight": Hostile(trace), "epoch": 3}, protocol=protocol))
    content = read_pth(file)
    assert not trace.exists() and content["epoch"] == 3 and not isinstance(content["fc.weight"], int | np.ndarray)
    pickle.loads(pickle.dumps(Hostile(trace)))
    assert trace.exists(), "the pickle of this test does no harm even where it is run"


# What a hostile pickle can do besides: each leaves "was_here" where it is run. {trace} is the path of that.
TRICKS = {
    "a function of a function": b"cbuiltins\ngetattr\n(cos\nsystem\nV__call__\ntR(Vtouch {trace}\ntR.",
    "exec": b"cbuiltins\nexec\n(Vopen({trace!r}, 'w')\ntR.",
    "INST": b"(Vtouch {trace}\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nVtouch {trace}\no.",
    "a nested name": b"\x80\x04\x8c\x05posix\x8c\x0fsystem.__call__\x93(Vtouch {trace}\ntR.",
    "the class of a class": b"cbuiltins\ntype\n(Vx\n(cos\nsystem\nt(dtR.",
    "a state for a function": b"cos\nsystem\n}(V__dict__\n}(Va\nVtouch {trace}\nuub.",
    "a state for a tensor's maker": b"ctorch._utils\n_rebuild_tensor_v2\n(N}(V__class__\ncos\nsystem\nutb.",
    "a state for an OrderedDict": b"ccollections\nOrderedDict\n(tR}(Vitems\ncos\nsystem\nub.",
    "a state for the class of it": b"ccollections\nOrderedDict\n(N}(Vitems\ncos\nsystem\nutb.",
    "a state for a dict": b"}(N}(Vitems\ncos\nsystem\nutb.",
    "things put into a function": b"cos\nsystem\n(Va\nVb\nucos\nsystem\n(Va\nVb\ne0.",
    "an odd persistent id": b"cos\nsystem\n(Vtouch {trace}\ntRQ.",
    "another kind of persistent id": b"(Vmodule\ncos\nsystem\nVmodel.py\nVtouch {trace}\nNtQ.",
    "an extension": b"\x82\x01.",
    "a module that does not exist": b"cno.such.module\nf\n(Vtouch {trace}\ntR.",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_nothing_that_a_pickle_asks_for_is_run_and_nothing_here_is_changed(trick, tmp_path):
    trace, file = tmp_path / "was_here", tmp_path / "hostile.pth"
    code = TRICKS[trick].replace(b"{trace!r}", repr(str(trace)).encode()).replace(b"{trace}", str(trace).encode())
    as_zip(file, code)
    with contextlib.suppress(InputError):
        state_dict_of(read_pth(file))
    assert not trace.exists()
    test_tensors_come_as_arrays("tensors.pth")


def test_what_real_files_hold_beside_their_weights_is_passed_over(tmp_path):
    """As mmaction2, PyTorchVideo and 3D-ResNets-PyTorch wrap them; no such package is installed, none is imported."""

    class ConfigDict(dict):
        pass

    class CfgNode(dict):
        def __init__(self, *values):
            super().__init__(*values)
            self.__dict__["frozen"] = True

    class HistoryBuffer:
        def __init__(self):
            self.log, self.when = [1.0], datetime.datetime(2022, 9, 1)

    class Steps(list):
        def __reduce__(self):
            return Steps, (), None, iter([1, 2]), None

    class Names(set):
        pass

    meta = {
        "cfg": ConfigDict(a=ConfigDict(b=1)),
        "node": CfgNode({"LR": 0.1}),
        "buffer": HistoryBuffer(),
        "steps": Steps(),
        "names": Names({"a"}),
        "opt": argparse.Namespace(lr=0.1),
        "best": np.float64(0.7),
        "time": datetime.datetime.now(),
        "path": Path("data"),
        "function": os.path.join,
        "deep": {ConfigDict: [OrderedDict(a=Steps())]},
    }
    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b.count": np.array(7)}
    optimizer = {"state": {0: {"momentum": np.ones(3, np.float32), "seen": np.ones(2, np.complex64)}}}
    content = {"meta": meta, "state_dict": OrderedDict(weights), "optimizer": optimizer, "epoch": 3}
    packages = {"mmengine.config.config": [ConfigDict], "yacs.config": [CfgNode], "mm": [HistoryBuffer, Steps, Names]}
    file = tmp_path / "real.pth"
    with modules(packages):
        write_pth(file, content)
        del content["optimizer"]
        write_pth(tmp_path / "legacy.pth", content, legacy=True)
    for path in (file, tmp_path / "legacy.pth"):
        found, _ = state_dict_of(read_pth(path))
        assert found.keys() == {"a", "b.count"} and not {"mmengine", "yacs", "mm"} & set(sys.modules)
        np.testing.assert_array_equal(found["a"], weights["a"])
    with modules(packages):
        write_pth(file, {"weights": np.ones(2, np.complex64)}, legacy=True)
    with pytest.raises(InputError, match="tensors of a type that NumPy does not have"):
        read_pth(file)


def test_a_part_of_another_storage_as_pytorchs_first_releases_wrote_it(tmp_path):
    file = tmp_path / "view.pth"
    storage = "(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\n(V1\nI1\nI2\nttQ"
    content = f"{REBUILD}({storage}I0\n(I2\nt(I1\ntI00\nNtR.".encode()
    values = (4).to_bytes(8, "little") + np.arange(4, dtype=np.float32).tobytes()
    as_legacy(file, content + pickle.dumps(["0"], protocol=2) + values)
    np.testing.assert_array_equal(read_pth(file), [1, 2])


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


BOMBS = {
    "a dict in itself": b"}q\x00(Va\nh\x00u.",
    "dicts that hold the one before it twice": b"}q\x00" + b"}q\x01(Va\nh\x00Vb\nh\x00uq\x00" * 60 + b".",
    "dicts within dicts": b"}(Vname\n" * 50_000 + b"N" + b"u" * 50_000 + b".",
    "a list that is copied again and again": b"(" + b"N" * 50_000 + b"lq\x00"
    + b"ctorch\nSize\nq\x01(" + b"h\x01h\x00\x85R" * 20_000 + b"t.",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_pickle_takes_no_more_time_and_memory_than_its_size_explains(bomb, tmp_path):
    file = tmp_path / "bomb.pth"
    as_zip(file, BOMBS[bomb])
    with pytest.raises(InputError, match=r"no state dict in this file|a shape of 50000 numbers; refused"):
        state_dict_of(read_pth(file))


def test_storages_larger_than_the_file_are_refused(tmp_path):
    file = tmp_path / "legacy.pth"
    storages = b"".join(b"(Vstorage\nctorch\nFloatStorage\nV%d\nVcpu\nI10\nNtQ" % i for i in range(1000))
    as_legacy(file, b"(" + storages + b"t." + pickle.dumps([], protocol=2))
    assert file.stat().st_size < 60_000
    read_pth(file)
    as_legacy(file, b"(" + storages.replace(b"I10\n", b"I50\n") + b"t." + pickle.dumps([], protocol=2))
    with pytest.raises(InputError, match=r"legacy.pth declares tensors larger than itself; refused"):
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


def test_a_name_twice_is_refused(tmp_path):
    file = tmp_path / "twice.pth"
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("archive/data.pkl", tensor_pickle(0, (4,), (1,)))
        for value in (1, 2):
            archive.writestr("archive/data/0", np.full(4, value, np.float32).tobytes())
    with pytest.raises(
        InputError, match=r"twice.pth holds two entries of one name, of which one would be lost; refused"
    ):
        read_pth(file)
    write_pth(file, {"fc.weight": np.ones(2, np.float32), "module.fc.weight": np.zeros(2, np.float32)})
    with pytest.raises(InputError, match=r"two tensors of this file are called fc.weight; keep one of them"):
        state_dict_of(read_pth(file))
