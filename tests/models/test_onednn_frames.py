import pytest

from r3d_jax.models import onednn_frames
from r3d_jax.models.onednn_plan import Convolution, Memory
from r3d_jax.models.window import Window


def depthwise(size=(4, 8, 8), stride=(1, 1, 1), padding=(1, 1, 1)):
    window = Window(size, (3, 3, 3), stride, padding, 16)
    return Convolution("y", 2, 16, 16, window, "float32", "float32", ("bias",))


@pytest.mark.parametrize(
    "of, each",
    [
        (depthwise(), 2 + 3 + 2),  # the first and the last frame meet two taps, those between them three
        (depthwise(size=(1, 8, 8)), 1),
        (depthwise(stride=(2, 1, 1)), 2 + 3),
        (depthwise(padding=(0, 1, 1)), 3),
    ],
    ids=["plain", "a frame", "strided", "no padding"],
)
def test_frames_that_meet_the_same_taps_are_convolved_together(here, of, each):
    memory = Memory(("x", "k", "bias", "y"))
    kernels = [memory.own(onednn_frames.pieces(of)[1]) for _ in range(3)]
    assert len(onednn_frames.steps(of, memory, kernels)) == of.clips * each


def test_the_taps_of_a_kernel_lie_one_behind_the_other(here):
    *_, offsets = onednn_frames.pieces(depthwise())
    assert offsets == tuple((tap * 9 * 16 * 4, tap * 9 * 16 * 4) for tap in range(3))


def test_outputs_that_meet_padding_alone_are_not_for_it():
    assert onednn_frames.is_whole(depthwise().window)
    assert not onednn_frames.is_whole(depthwise(padding=(3, 1, 1)).window)
