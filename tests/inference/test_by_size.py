import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.inference.by_size import by_size
from r3d_jax.video.clips import ClipSpec
from r3d_jax.video.views import read_clips

CLIP = ClipSpec(frames=4, crop=16, train_sizes=(16, 16), test_size=16, views=3, frame_rate=12.5)


@pytest.fixture
def paths(tmp_path):
    """Of two sizes in turn, and what is no video."""
    paths = [tmp_path / f"v{i}.avi" for i in range(4)]
    for i, path in enumerate(paths):
        path.write_bytes(encode(frames_of(9 + 8 * i, 32, 48 + 16 * (i % 2))))
    (tmp_path / "broken.avi").write_bytes(b"no video")
    return [*paths[:1], tmp_path / "broken.avi", *paths[1:], tmp_path / "gone.avi"]


def test_videos_of_one_size_are_run_together_and_come_in_their_order(paths):
    ran = []

    def run(clips):
        ran.append(clips.shape)
        return clips.mean((1, 2, 3, 4, 5))

    found = list(by_size(paths, CLIP, run, batch_size=2, workers=1, label="Seeing"))
    assert [each.video for each in found] == list(map(str, paths))
    assert ran == [(2, 3, 4, 16, 24, 3), (2, 3, 4, 16, 32, 3)]
    assert [each.frames for each in found] == [9, 0, 17, 25, 33, 0]
    for each in found:
        if each.reason:
            assert each.found is None and not len(each.seconds)
        else:
            assert each.found == pytest.approx(read_clips(each.video, CLIP).mean())
    assert "not a video" in found[1].reason and found[-1].reason == "No such file or directory"


def test_views_begin_where_their_first_frames_are_shown(paths):
    """At 12.5 of 25 frames a second, the video's 33 frames are 17; four of them fit 14 times."""
    *_, last, _ = by_size(paths, CLIP, lambda clips: clips, batch_size=2, workers=0, label="Seeing")
    np.testing.assert_allclose(last.seconds, [0, 0.48, 1.04], atol=1e-9)
