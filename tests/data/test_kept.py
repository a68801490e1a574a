from pathlib import Path

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.data import kept
from r3d_jax.data.kept import count_kept, is_kept, keep, read_kept
from r3d_jax.video.probe import probe
from r3d_jax.video.reencode import Effect

DATA = encode(frames_of(12, 48, 64), codec="libx264", container="mp4")
MADE = (DATA, *probe(DATA), Effect(9, 3, 0.1, 1 / 3, 2.5))


def same(found, expected):
    assert found[0] == expected[0] and found[1] == expected[1] and found[3] == expected[3]
    for a, b in zip(found[2], expected[2], strict=True):
        assert type(a) is type(b)
        np.testing.assert_array_equal(a, b, strict=True) if isinstance(a, np.ndarray) else None
        assert isinstance(a, np.ndarray) or a == b


def test_what_is_kept_comes_back_to_the_last_bit(tmp_path):
    keep(tmp_path, "ab1", MADE, own_bytes=True)
    keep(tmp_path, "cd2", (*MADE[:3], None), own_bytes=False)
    same(read_kept(tmp_path, "ab1", b"the file"), MADE)
    same(read_kept(tmp_path, "cd2", b"the file"), (b"the file", *MADE[1:3], None))
    assert len(DATA) > sum(path.stat().st_size for path in tmp_path.glob("cd/*"))  # the bytes are not in it
    assert count_kept(tmp_path) == 2 and is_kept(tmp_path, "ab1") and not is_kept(tmp_path, "ab3")


@pytest.mark.parametrize("harm", ["empty", "half", "flipped", "other version", "gone"])
def test_what_is_damaged_or_of_another_version_is_made_again(tmp_path, harm, monkeypatch):
    keep(tmp_path, "ab1", MADE, own_bytes=True)
    path: Path = tmp_path / "ab" / "ab1.npz"
    data = bytearray(path.read_bytes())
    if harm == "flipped":
        data[len(data) // 2] ^= 255
    path.write_bytes({"empty": b"", "half": data[: len(data) // 2]}.get(harm, data))
    if harm == "gone":
        path.unlink()
    if harm == "other version":
        monkeypatch.setattr(kept, "MADE_BY", "0")
    assert read_kept(tmp_path, "ab1", b"the file") is None
