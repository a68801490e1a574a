"""What decoding a whole video once shows: how many frames it has, how they are to be shown, and where they are."""

import math
from collections.abc import Callable
from typing import NamedTuple

import av
import numpy as np

from r3d_jax.video.decode import PacketIndex, from_key_packets, packets_of, reason_of, video_stream

LONGEST = 24 * 3600  # seconds that time stamps are believed for


class VideoInfo(NamedTuple):
    """What decoding a whole video once has shown.

    Attributes:
      num_frames: how many frames decode.
      declared_frames: how many frames the file says it has; 0 where it does not say.
      frame_rate: frames per second, on average; 0 where the file does not say.
      height: in pixels, of the video turned upright.
      width: in pixels, of the video turned upright and its pixels made square.
    """

    num_frames: int
    declared_frames: int
    frame_rate: float
    height: int
    width: int


def probe(data: bytes, *, each: Callable[[], None] = lambda: None) -> tuple[VideoInfo, PacketIndex]:
    """Decodes every frame of a video once, to find out what is in the file; what it declares is often wrong.

    Args:
      data: the file's bytes.
      each: called before each packet is decoded; what it raises ends the work.

    Raises:
      ValueError: there is no video stream, nothing in it decodes, or it breaks off; the message is the reason.
    """
    try:
        return _probe(data, each, strict=True)
    except ValueError:
        return _probe(data, each, strict=False)


def _probe(data, each, *, strict):
    """`strict`: damage is an error.

    Otherwise decoders make up what is damaged from what they have decoded before. That has to be the same at every
    reading, so that such a video is read from its start, by a new decoder.
    """
    with video_stream(data) as (container, stream):
        if strict:
            stream.codec_context.options |= {"err_detect": "explode"}
        rows, times, labels, first, last = [], [], [], None, None
        plain = True
        try:
            for packet in packets_of(container, stream):
                each()
                if packet.size:
                    plain = plain and not any(map(packet.has_sidedata, ("new_extradata", "palette", "param_change")))
                    rows.append((_find(data, packet), packet.size, packet.is_keyframe, -1))
                    times.append(math.nan if packet.pts is None else float(packet.pts * packet.time_base))
                    packet.pts = len(rows) - 1  # comes out again with the packet's frame: its label
                for last in packet.decode():
                    first = first or last
                    labels.append(last.pts)
        except av.error.FFmpegError as error:
            raise ValueError(f"breaks off after {len(labels)} frames: {reason_of(error)}") from error
        if first is None:
            raise ValueError("no frame of it decodes")
        context, rate = stream.codec_context, float(stream.average_rate or 0)
        turn, mirror, size = how_shown(first, stream)
        labelled = None not in labels and len(set(labels)) == len(labels)
        packet_index = PacketIndex(
            packets=np.array(rows, np.int64),
            seconds=_seconds([times[label] for label in labels] if labelled else [], len(labels), rate),
            codec=context.name,
            tag=_tag(context),
            extradata=context.extradata or b"",
            delay=context.reorder_depth,
            turn=turn,
            mirror=mirror,
        )
        declared = stream.frames if 0 <= stream.frames < 2**31 else 0  # damaged files say anything
        info = VideoInfo(len(labels), declared, rate, *size)
    if strict and labelled and plain and rows and min(start for start, *_ in rows) >= 0:
        packet_index.packets[labels, 3] = np.arange(len(labels))
        if _gives(data, packet_index, {0: first, len(labels) - 1: last}):
            return info, packet_index
    return info, packet_index._replace(packets=np.zeros((0, 4), np.int64))


def _find(data, packet):
    """Where the packet's bytes stand in the file; -1 where they do not stand in one piece."""
    if packet.pos is None or packet.pos < 0:
        return -1
    # Matroska gives the place of the block, whose header comes first.
    return data.find(bytes(packet), packet.pos, packet.pos + packet.size + 64)


def _gives(data, packet_index, expected):
    """Whether the packet index leads to the same frames as the container did."""
    try:
        frames = list(from_key_packets(data, packet_index, sorted(expected)))
    except av.error.FFmpegError:
        return False
    return len(frames) == len(expected) and all(
        np.array_equal(_first_plane(frame), _first_plane(expected[index]))
        for frame, index in zip(frames, sorted(expected))
    )


def _first_plane(frame):
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width * (plane.line_size // plane.width)]


def _tag(context):
    """What kind of the codec it is, by which decoders know the encoder's habits."""
    try:
        return context.codec_tag
    except UnicodeDecodeError:
        return ""


def how_shown(frame: av.VideoFrame, stream: av.VideoStream) -> tuple[int, bool, tuple[int, int]]:
    """Finds out how frames are to be shown, from the display matrix and the shape of the pixels.

    Args:
      frame: the first of the stream.

    Returns:
      (turn, mirror, (height, width)): the first two as `PacketIndex` has them, then the size in pixels of a frame that
      is upright and has square pixels.
    """
    turn, mirror = _orientation(frame)
    height, width = frame.height, max(1, round(frame.width * _pixel_aspect(stream)))
    return turn, mirror, (width, height) if turn % 2 else (height, width)


def _orientation(frame):
    """(quarter turns, whether mirrored before) by the display matrix, whose rows say where x and y point."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    (xx, xy), (yx, yy) = np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2] / 2**16
    mirror = bool(xx * yy - xy * yx < 0)
    if mirror:
        xx, xy = -xx, -xy
    return round(math.atan2(-xy, xx) / (math.pi / 2)) % 4, mirror


def _pixel_aspect(stream):
    """Width of a pixel over its height; 1 where the file does not say, or says nonsense."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 0.1 <= aspect <= 10 else 1.0


def _seconds(times, num_frames, rate):
    """When each frame is shown; evenly, where the time stamps do not rise, or rise beyond reason."""
    seconds = np.array(times, np.float64)
    told = len(seconds) == num_frames and not np.isnan(seconds).any()
    if told and (np.diff(seconds) > 0).all() and seconds[-1] - seconds[0] < LONGEST:
        return seconds - seconds[0]
    return np.arange(num_frames) / (rate or 25.0)
