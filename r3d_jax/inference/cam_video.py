"""A video in which one sees what speaks for a class: Grad-CAM painted over its frames."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_forward, make_maps, probabilities
from r3d_jax.inference.overlay import overlay
from r3d_jax.video.encode import check_out, write_video
from r3d_jax.video.stream import Moment, stream, stretches
from r3d_jax.video.views import read_clips
from r3d_jax.weights.trained import TrainedNetwork

AT_ONCE = 4  # clips


def cam_video(
    network: TrainedNetwork, path: Path, out: Path, *, label: str = "", block: str = "", size: int = 256
) -> list[str]:
    """Writes `out`, the video in the file `path` under what speaks for a class, and tells in lines what it shows.

    Clips follow each other without a gap, so that every frame is shown once, and their maps are on one scale.

    Args:
      out: file to write, called *.mp4 or *.gif.
      label: name of the class; empty: the one that is likeliest of the whole video.
      block: name of the block whose output is mapped; empty: the one that the head reads.
      size: short edge in pixels of the frames that are written; the network sees them at its own size.

    Raises:
      InputError: no class or no block of that name; a `size` below 2; a video that cannot be read; an `out` that is
        called otherwise or is there already.
      OSError: there is no file at `path` that can be read, or `out` cannot be written.
    """
    check_out(out)
    if label and label not in network.class_names:
        raise InputError(f"no class {label!r}; there are {', '.join(network.class_names)}")
    if size < 2:
        raise InputError(f"`size` (={size}) must be at least 2")
    try:
        clips = read_clips(path, network.clip)
        found = probabilities(make_forward(network)(clips[None]), network)[0]
        index = network.class_names.index(label) if label else int(found.argmax())
        maps = _maps_along(network, path, index, block)
        count = write_video(out, _painted(network, path, maps, size))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    at = block or network.model.heads[0].block or network.model.trunk.block_names()[-1]
    return [
        f"{path}: {found[index]:.1%} {network.class_names[index]}",
        f"{out}: {count} frames, {out.stat().st_size / 2**20:.1f} MiB; what speaks for it at {at}",
    ]


def _maps_along(network, path, index, block):
    """The map of each stretch, in their order: small, whatever the length of the video."""
    clip, maps_of, maps = network.clip, make_maps(network, block), []
    with path.open("rb") as file:
        moments = stream(file, size=clip.test_size, frame_rate=clip.frame_rate)
        clips = (each.clip for each in stretches(moments, frames=clip.frames, stride=clip.stride, hop=clip.span))
        while some := list(islice(clips, AT_ONCE)):
            maps += list(maps_of(np.stack(some)[:, None], np.full(len(some), index))[:, 0])
    return maps


def _painted(network, path, maps, size) -> Iterator[Moment]:
    """Every moment once, under the map of its stretch."""
    highest, shown = max(float(each.max()) for each in maps), 0
    reach = network.clip.span
    with path.open("rb") as file:
        moments = stream(file, size=size, frame_rate=network.clip.frame_rate)
        for each, its in zip(stretches(moments, frames=reach, stride=1, hop=reach), maps):
            frames = overlay(each.clip, its, highest)
            # The last stretch begins before the one before it ends, and a short video's repeats it.
            last = each.first + len(set(each.seconds.tolist()))
            for place in range(max(shown, each.first), last):
                yield Moment(float(each.seconds[place - each.first]), frames[place - each.first])
            shown = last
