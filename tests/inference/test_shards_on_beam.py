from functools import partial
from pathlib import Path

import pytest

from r3d_jax.errors import InputError
from r3d_jax.inference.shards import Shard
from r3d_jax.pipelines import options_of


def make(place, fails):
    """What writes a shard; each making is counted by a file."""
    number = len(list(Path(place).glob("made*")))
    (Path(place) / f"made{number}").touch()

    def write(shard):
        if fails:
            raise RuntimeError("no memory left")
        shard.path.write_text(" ".join(path for path, _ in shard.videos))
        return shard.path

    return write


@pytest.mark.slow
def test_a_worker_makes_once_what_writes_every_shard(tmp_path):
    from r3d_jax.inference.shards_on_beam import write_shards_on_beam

    shards = [Shard(tmp_path / str(i), [(f"{i}.avi", "")]) for i in range(4)]
    here = options_of("DirectRunner", processes=1)
    write_shards_on_beam(shards, partial(make, str(tmp_path), False), here)
    assert [shard.path.read_text() for shard in shards] == [f"{i}.avi" for i in range(4)]
    assert [path.name for path in tmp_path.glob("made*")] == ["made0"]
    with pytest.raises(InputError, match=r"a worker of Beam has failed: .*no memory left"):
        write_shards_on_beam(shards, partial(make, str(tmp_path), True), here)
