"""Frames to a video file or an animated picture, one after the other."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av

from r3d_jax.errors import InputError
from r3d_jax.files import refuse_existing, whole
from r3d_jax.video.reencode import add_stream, picture
from r3d_jax.video.stream import Moment

KINDS = (".mp4", ".gif")
HUNDREDTHS = 100  # of a second: what an animated picture counts in


def check_out(path: Path) -> None:
    """Refuses a path at which no video can be written; what is there already is never replaced.

    Raises:
      InputError: the path is not called *.mp4 or *.gif, or there is something at it.
    """
    if path.suffix.lower() not in KINDS:
        raise InputError(f"{path} must be called *{' or *'.join(KINDS)}, which is what it will be")
    refuse_existing(path)


def write_video(path: Path, moments: Iterable[Moment]) -> int:
    """Writes frames as an .mp4 (H.264) or .gif, each shown at its time; whole or not at all.

    An .mp4 loses an odd last row or column. A .gif has 256 colours for each frame and counts in hundredths of seconds.

    Args:
      path: of the new file; its name says which kind it is.
      moments: RGB frames of one size, their times rising.

    Returns:
      How many frames there were.

    Raises:
      InputError: another kind of file, one that is there already, or no moments.
      OSError: the folder cannot be written to.
    """
    check_out(path)
    animated = path.suffix.lower() == ".gif"
    count = 0
    with whole(path) as unfinished:
        with av.open(str(unfinished.absolute()), "w", format="gif" if animated else "mp4") as output:
            for moment in moments:
                if not count:
                    encode = (_gif if animated else _h264)(output, moment.frame.shape[:2])
                encode(moment)
                count += 1
            if count:
                encode(None)
        if not count:
            raise InputError(f"no frames for {path}")
    return count


def _h264(output, size):
    stream = add_stream(output, Fraction(25), size, key_every=50)

    def encode(moment):
        output.mux(stream.encode(moment and picture(moment.frame, moment.seconds, stream)))

    return encode


def _gif(output, size):
    """256 colours, chosen for each frame."""
    stream = output.add_stream("gif", rate=HUNDREDTHS)
    stream.height, stream.width = size
    stream.pix_fmt, stream.codec_context.time_base = "pal8", Fraction(1, HUNDREDTHS)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=size[1], height=size[0], format="rgb24", time_base=Fraction(1, HUNDREDTHS))
    both, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    use = graph.add("paletteuse", "new=1")
    source.link_to(both)
    both.link_to(palette, 0, 0)
    both.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(graph.add("buffersink"))
    graph.configure()
    shown = -1

    def encode(moment):
        nonlocal shown
        frame = None
        if moment:
            frame = av.VideoFrame.from_ndarray(moment.frame, format="rgb24")
            shown = max(shown + 1, round(moment.seconds * HUNDREDTHS))
            frame.pts, frame.time_base = shown, Fraction(1, HUNDREDTHS)
        graph.push(frame)
        while True:
            try:
                found = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            output.mux(stream.encode(found))
        if moment is None:
            output.mux(stream.encode())

    return encode
