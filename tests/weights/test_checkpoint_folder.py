import numpy as np

from r3d_jax.training.state import TrainState
from r3d_jax.weights.checkpoint_folder import bytes_needed, bytes_of, remove_unfinished

STATE = TrainState(np.int32(0), {"kernel": np.zeros((2**10, 2**10), np.float32)}, {}, ())


def test_there_is_room_for_all_that_is_kept_and_one_that_is_written(tmp_path):
    size = bytes_of(STATE)
    assert 4 * 2**20 < size < 5 * 2**20
    needed = [bytes_needed(tmp_path, STATE)]
    for path in ("last/3", "last/6", "best/3", "last/9", "last/12.orbax-checkpoint-tmp"):
        (tmp_path / path).mkdir(parents=True)
        needed.append(bytes_needed(tmp_path, STATE))
    assert needed == [4 * size, 3 * size, 2 * size, size, size, size]


def test_only_what_is_unfinished_is_removed(tmp_path):
    assert remove_unfinished(tmp_path / "none") == []
    names = ("last/3", "last/6.orbax-checkpoint-tmp", "best/3.orbax-checkpoint-tmp", "damaged/3-1")
    for name in names:
        (tmp_path / name / "d").mkdir(parents=True)
    assert remove_unfinished(tmp_path) == [tmp_path / names[2], tmp_path / names[1]]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")) == ["damaged/3-1", "last/3"]
