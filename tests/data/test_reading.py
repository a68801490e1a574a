import numpy as np
import pytest
from videos import decode_all, encode, frames_of, video_set

from r3d_jax.data.reading import REASON, open_video, pack_reason, read_or_replace, read_twice, reason_of_row
from r3d_jax.errors import InputError
from r3d_jax.video.pixels import read_frames

FILES = [encode(frames_of(count)) for count in (3, 4, 5, 6)]


@pytest.fixture
def videos():
    return video_set(FILES, [0, 0, 0, 1])


def test_a_prepared_video_is_opened_as_it_was_probed(videos):
    video = open_video(videos, 2)
    assert video.data == FILES[2] and video.info.num_frames == 5
    np.testing.assert_array_equal(read_frames(video.data, video.packet_index, np.arange(5)), decode_all(FILES[2]))


@pytest.mark.parametrize(
    "reason, kept",
    [
        ("", ""),
        ("breaks off after 3 frames", "breaks off after 3 frames"),
        ("x" * REASON, "x" * REASON),
        ("x" * 200, "x" * REASON),
        ("größer", "größer"),
        ("x" * 159 + "ö", "x" * 159),  # of two bytes, one has room
        ("x" * 158 + "ö", "x" * 158 + "ö"),
        ("視" * 54, "視" * 53),  # of three bytes each
        ("x" + "🎬" * 40, "x" + "🎬" * 39),  # of four
    ],
)
def test_a_reason_is_packed_in_full_letters(reason, kept):
    packed = pack_reason(reason)
    assert packed.shape == (REASON,) and packed.dtype == np.uint8 and REASON == 160
    assert reason_of_row(packed) == kept


class Moody:
    """Fails as often as it is told to, then returns what it is given."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), []

    def __call__(self, *arguments):
        self.calls.append(arguments)
        if self.errors:
            raise self.errors.pop(0)
        return arguments


def test_reading_is_tried_twice_and_no_more():
    for error in (OSError("busy"), ValueError("not a video"), RuntimeError("damaged record")):
        assert read_twice(Moody(error), 1, 2) == (1, 2)
    moody = Moody(OSError("busy"), OSError("gone"), OSError("again"))
    with pytest.raises(OSError, match="gone"):
        read_twice(moody, 1)
    moody = Moody(KeyError("a mistake in the program"))
    with pytest.raises(KeyError):
        read_twice(moody, 1)
    assert len(moody.calls) == 1


def replaced(videos, *bad, error="not a video"):
    """What is read in the place of row 0 where the videos of `bad` rows fail."""

    def read(video, rng):
        row = FILES.index(video.data)
        if row in bad:
            raise ValueError(error)
        return row, float(rng.random())

    found, shown, reason = read_or_replace(videos, np.arange(4), 0, [7, 1], read)
    assert shown == found[0]
    return found, reason


def test_another_video_of_the_class_takes_the_place_of_one_that_fails(videos):
    sound, reason = replaced(videos)
    assert sound[0] == 0 and reason == ""
    assert sound[1] == np.random.default_rng([7, 1]).random()
    found, reason = replaced(videos, 0)
    assert found[0] in (1, 2) and reason == "not a video"
    assert replaced(videos, 0) == (found, reason)  # drawn by the seeds alone
    assert replaced(videos, 0, found[0])[0][0] == 3 - found[0]
    assert replaced(videos, 0, error="")[1] == "ValueError"  # a failure always has a reason


def test_a_class_of_which_nothing_can_be_read_ends_it(videos):
    with pytest.raises(InputError, match=r"video v0: not a video; nor can any of 2 others of its class be read"):
        replaced(videos, 0, 1, 2)
