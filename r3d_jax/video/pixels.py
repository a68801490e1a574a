"""Decoded frames to RGB arrays of the size that is wanted, upright, with square pixels."""

from collections.abc import Iterable, Iterator
from itertools import chain

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Int, UInt8

from r3d_jax.video.decode import PacketIndex, decode, reason_of
from r3d_jax.video.probe import VideoInfo
from r3d_jax.video.transforms import CropWindow, as_pixels, resize, short_edge_size

PLANES = ("yuv420p", "yuvj420p")  # the second: full range


def read_frames(
    data: bytes, packet_index: PacketIndex, indices: Int[np.ndarray, "*axes"]
) -> UInt8[np.ndarray, "*axes height width channel"]:
    """Reads the frames at `indices` as RGB, at their stored size but upright; each is decoded once.

    Args:
      data: the file's bytes.
      packet_index: of the video in them, as `probe` gives it.
      indices: numbers of frames, in any order and shape.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    wanted, inverse = np.unique(indices, return_inverse=True)
    frames = np.stack(list(_to_rgb(decode(data, packet_index, wanted))))
    return _oriented(frames, packet_index.mirror, packet_index.turn)[inverse.reshape(indices.shape)]


def read_whole(
    data: bytes, packet_index: PacketIndex, info: VideoInfo, indices: Int[np.ndarray, "*axes"], *, size: int
) -> UInt8[np.ndarray, "*axes height width channel"]:
    """Reads the frames at `indices` as RGB: whole, upright, with square pixels, the short edge at `size` pixels.

    They are resized as ClassyVision 0.7.0 does, by `transforms.resize`. Each is decoded once.

    Args:
      data: the file's bytes.
      packet_index: of the video in them, as `probe` gives it with `info`.
      indices: numbers of frames, in any order and shape.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    wanted, inverse = np.unique(indices, return_inverse=True)
    return np.stack(list(each_whole(data, packet_index, info, wanted, size=size)))[inverse.reshape(indices.shape)]


def each_whole(
    data: bytes, packet_index: PacketIndex, info: VideoInfo, wanted: Int[np.ndarray, "frame"], *, size: int
) -> Iterator[UInt8[np.ndarray, "height width channel"]]:
    """Reads whole frames as `read_whole` does, but gives one after the other, so that few are in memory.

    Args:
      wanted: numbers of frames, which must rise.
      size: pixels of the short edge.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    target = short_edge_size(info.height, info.width, size)
    return upright(decode(data, packet_index, wanted), target, turn=packet_index.turn, mirror=packet_index.mirror)


def upright(
    frames: Iterable[av.VideoFrame], size: tuple[int, int], *, turn: int, mirror: bool
) -> Iterator[UInt8[np.ndarray, "height width channel"]]:
    """Makes decoded frames RGB arrays that are upright: resized, mirrored and turned.

    Args:
      frames: as they are stored.
      size: (height, width) in pixels, of the result.
      turn: quarter turns, counterclockwise, that make a frame upright.
      mirror: whether a frame is mirrored, left to right, before it is turned.

    Raises:
      ValueError: FFmpeg cannot convert a frame's format.
    """
    target = _stored(size, turn)
    for frame in _to_rgb(frames):
        resized = frame if frame.shape[:2] == target else as_pixels(resize(frame, target))
        yield _oriented(resized[None], mirror, turn)[0]


def read_window(
    data: bytes, packet_index: PacketIndex, info: VideoInfo, indices: Int[np.ndarray, "time"], window: CropWindow
) -> UInt8[np.ndarray, "time crop crop channel"]:
    """Reads a training clip: the `window` of the frames at `indices`, as RGB; only what it shows is converted.

    The usual kind of frame is resized as planes of brightness and colour, before it is made RGB: half the work, and
    apart from the colour's resolution the same pixels.

    Args:
      data: the file's bytes.
      packet_index: of the video in them, as `probe` gives it with `info`.
      indices: numbers of frames; those of a short video may come again.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    rising = (indices[1:] > indices[:-1]).all()  # unless a short video loops
    wanted, inverse = (indices, None) if rising else np.unique(indices, return_inverse=True)
    frames = decode(data, packet_index, wanted)
    first = next(frames)
    # A window is drawn anywhere in the frame: drawn in one not yet turned, it comes out as likely anywhere in it.
    target = _stored(short_edge_size(info.height, info.width, window.short_edge), packet_index.turn)
    planar = first.format.name in PLANES and not window.crop % 2 and min(first.height, first.width) > 1
    clip = (_planes if planar else _rgb)(first, chain([first], frames), len(wanted), target, window)
    mirror, turn = (
        (not packet_index.mirror, -packet_index.turn) if window.flip else (packet_index.mirror, packet_index.turn)
    )
    clip = _oriented(clip, mirror, turn)
    return clip if rising else clip[inverse]


def _planes(first, frames, count, target, window):
    """The window, brightness at its size and colour at half of it, all frames as one tall picture, made RGB at once."""
    box = window.box((first.height, first.width), target, even=True)
    boxes = [box] + [[slice(span.start // 2, span.stop // 2) for span in box]] * 2
    shapes = [tuple(span.stop - span.start for span in box) for box in boxes]
    edges = (window.crop, window.crop // 2, window.crop // 2)
    planes = [np.empty((count * edge, edge), np.uint8) for edge in edges]
    for i, frame in enumerate(_alike(first, frames)):
        for plane, (rows, columns), shape, edge, out in zip(frame.planes, boxes, shapes, edges, planes):
            pitch = plane.line_size
            part = np.ndarray(shape, np.uint8, plane, rows.start * pitch + columns.start, (pitch, 1))
            cv2.resize(part, (edge, edge), dst=out[i * edge : (i + 1) * edge])
    tall = av.VideoFrame.from_dlpack(planes, format=first.format.name)
    tall.colorspace, tall.color_range = first.colorspace, first.color_range
    rgb = _converted(VideoReformatter(), tall, format="rgb24").to_ndarray()
    return rgb.reshape(count, window.crop, window.crop, 3)


def _rgb(first, frames, count, target, window):
    rows, columns = window.box((first.height, first.width), target)
    clip = np.empty((count, window.crop, window.crop, 3), np.uint8)
    for frame, out in zip(_to_rgb(frames), clip, strict=True):
        cv2.resize(frame[rows, columns], (window.crop, window.crop), dst=out)
    return clip


def _alike(first, frames):
    """The frames, all of the first one's size and format."""
    kind = {"format": first.format.name, "height": first.height, "width": first.width}
    for frame in frames:
        its = {"format": frame.format.name, "height": frame.height, "width": frame.width}
        yield frame if its == kind else _converted(VideoReformatter(), frame, **kind)


def _to_rgb(frames: Iterable[av.VideoFrame]) -> Iterator[UInt8[np.ndarray, "height width channel"]]:
    """Each as an array of its own; all of the first one's size, as FFmpeg's programs do."""
    reformatter, size = VideoReformatter(), {}
    for frame in frames:
        size = size or {"height": frame.height, "width": frame.width}
        yield _converted(reformatter, frame, format="rgb24", **size).to_ndarray()


def _converted(reformatter, frame, **changes):
    try:
        return reformatter.reformat(frame, threads=1, **changes)
    except av.error.FFmpegError as error:
        raise ValueError(f"frames of format {frame.format.name} cannot be converted: {reason_of(error)}") from error


def _stored(size, turn):
    return size[::-1] if turn % 2 else size


def _oriented(frames, mirror, turn):
    """Mirrored, then turned; a mirror image of what is turned one way is the mirror image, turned the other way."""
    if mirror:
        frames = cv2.flip(frames.reshape(-1, *frames.shape[2:]), 1).reshape(frames.shape)
    return np.ascontiguousarray(np.rot90(frames, turn, axes=(1, 2))) if turn else frames
