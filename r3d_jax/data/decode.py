"""Bytes to decoded frames: where each frame is in a file, and the way to it."""

import io
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import av
import numpy as np
from av.stream import Disposition
from jaxtyping import Float, Int

MAX_PIXELS = 2**26  # of a frame; what claims more is damaged, or would take gigabytes
SKIPPING = ("h264", "hevc")  # codecs whose packets hold one frame each, and say whether others are made from it
KEPT = ("mpeg4",)  # codecs so quick that a new decoder costs a tenth of a short clip
CONTEXTS = 4  # decoders that each thread keeps


class VideoInfo(NamedTuple):
    """What decoding a whole video once has shown.

    Attributes:
      declared_frames: how many frames the file says it has; 0 where it does not say.
      frame_rate: frames per second, on average; 0 where the file does not say.
      height, width: as the video is to be shown: turned upright, its pixels made square.
    """

    num_frames: int
    declared_frames: int
    frame_rate: float
    height: int
    width: int


class Layout(NamedTuple):
    """How to get at the frames of a video without reading its container.

    Attributes:
      packets: of each packet its first byte, its size, whether decoding may start there, and the number of the frame
        that it decodes to (-1: none); without rows, the container has to be read from its start.
      seconds: when each frame is shown, from 0.
      codec, tag, extradata, delay: what the decoder has to know.
      turn: quarter turns, counterclockwise, after which a decoded frame is upright.
      mirror: whether it is to be mirrored, left to right, before that.
    """

    packets: Int[np.ndarray, "packet 4"]
    seconds: Float[np.ndarray, "frame"]
    codec: str
    tag: str
    extradata: bytes
    delay: int
    turn: int
    mirror: bool


def probe(data: bytes) -> tuple[VideoInfo, Layout]:
    """Decodes every frame; what a file declares is often wrong.

    Raises:
      ValueError: no video stream, or nothing in it decodes, or it breaks off; the message is the reason.
    """
    try:
        return _probe(data, strict=True)
    except ValueError:
        # Decoders make up what is damaged from what they have decoded before. That has to be the same at every
        # reading, so that such a video is read from its start, by a new decoder.
        info, layout = _probe(data, strict=False)
        return info, layout._replace(packets=np.zeros((0, 4), np.int64))


def _probe(data, *, strict):
    with _video_stream(data) as (container, stream):
        if strict:
            stream.codec_context.options |= {"err_detect": "explode"}
        rows, times, labels, first, last = [], [], [], None, None
        plain = True
        try:
            for packet in _packets(container, stream):
                if packet.size:
                    plain = plain and not any(map(packet.has_sidedata, ("new_extradata", "palette", "param_change")))
                    rows.append((_find(data, packet), packet.size, packet.is_keyframe, -1))
                    times.append(math.nan if packet.pts is None else float(packet.pts * packet.time_base))
                    packet.pts = len(rows) - 1  # comes out again with the packet's frame: its label
                for last in packet.decode():
                    first = first or last
                    labels.append(last.pts)
        except av.error.FFmpegError as error:
            raise ValueError(f"breaks off after {len(labels)} frames: {_reason(error)}") from error
        if first is None:
            raise ValueError("no frame of it decodes")
        context, rate = stream.codec_context, float(stream.average_rate or 0)
        turn, mirror = _orientation(first)
        height, width = first.height, max(1, round(first.width * _pixel_aspect(stream)))
        size = (width, height) if turn % 2 else (height, width)
        labelled = None not in labels and len(set(labels)) == len(labels)
        layout = Layout(
            packets=np.array(rows, np.int64),
            seconds=_seconds([times[label] for label in labels] if labelled else [], len(labels), rate),
            codec=context.name,
            tag=_tag(context),
            extradata=context.extradata or b"",
            delay=context.reorder_depth,
            turn=turn,
            mirror=mirror,
        )
        info = VideoInfo(len(labels), stream.frames, rate, *size)
    if labelled and plain and rows and min(start for start, *_ in rows) >= 0:
        layout.packets[labels, 3] = np.arange(len(labels))
        if _gives(data, layout, {0: first, len(labels) - 1: last}):
            return info, layout
    return info, layout._replace(packets=np.zeros((0, 4), np.int64))


def decode(data: bytes, layout: Layout, wanted: Int[np.ndarray, "frame"]) -> Iterator[av.VideoFrame]:
    """The `wanted` frames (rising numbers, in the order in which frames are shown), each decoded once.

    Decoding starts at the last packet before a frame from which it may.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    indices, count = wanted.tolist(), 0
    try:
        if len(layout.packets):
            for frame in _from_key_packets(data, layout, indices):
                yield frame
                count += 1
        if count < len(indices):
            for frame in _from_start(data, indices[count:]):
                yield frame
                count += 1
    except av.error.FFmpegError as error:
        raise ValueError(f"does not decode: {_reason(error)}") from error
    if count < len(indices):
        raise ValueError(f"ends before frame {indices[count]}: cut short, or changed since it was prepared")


def _from_key_packets(data, layout, wanted):
    """The wanted frames up to the first that does not come, entering at the key packet before each."""
    packets, num_frames = layout.packets, len(layout.seconds)
    if wanted[-1] >= num_frames or packets[-1, 0] + packets[-1, 1] > len(data):
        return
    packet_of = packets[:, 3].argsort()[len(packets) - num_frames :].tolist()  # those without a frame sort first
    is_key, shown = packets[:, 2].tolist(), packets[:, 3].tolist()
    skipping = layout.delay > 0 and layout.codec in SKIPPING
    targets, got, position = set(wanted), {}, 0
    with _decoder(layout) as context:
        for index in wanted:
            entry = packet_of[index]
            # Frames shown before a key packet's own may come after it in the file, and need what is before it.
            while entry and not (is_key[entry] and 0 <= shown[entry] <= index):
                entry -= 1
            if entry > position:
                context.flush_buffers()
                position = entry
            while index not in got:
                if position > len(packets):
                    return
                if skipping and position < len(packets):  # frames that no other is made from
                    context.skip_frame = "DEFAULT" if shown[position] in targets else "NONREF"
                for frame in context.decode(_packet(data, packets, position)):
                    its = shown[frame.pts]
                    if its in targets and not (entry and frame.is_corrupt):
                        got[its] = frame
                position += 1
            yield got.pop(index)


def _packet(data, packets, position):
    """The packet at `position`, numbered; None, which makes the decoder give the rest, after the last."""
    if position == len(packets):
        return None
    start, size = packets[position, :2].tolist()
    packet = av.Packet(size)  # its own memory: decoders read a little beyond the end
    packet.update(data[start : start + size])
    packet.pts = position
    return packet


def _from_start(data, wanted):
    """The wanted frames, reading the container from its start until the last of them is out."""
    targets, position = set(wanted), 0
    with _video_stream(data) as (container, stream):
        for packet in _packets(container, stream):
            for frame in packet.decode():
                if position in targets:
                    yield frame
                if position == wanted[-1]:
                    return
                position += 1


_kept = threading.local()


@contextmanager
def _decoder(layout):
    """A decoder for the layout's codec; each thread keeps its latest of KEPT."""
    contexts = _kept.__dict__.setdefault("contexts", {})
    key = (layout.codec, layout.tag, layout.extradata, layout.delay)
    context = contexts.pop(key, None)  # no longer kept while it is used: two videos may be read in turn
    if context is None:
        context = av.CodecContext.create(layout.codec, "r")
        context.extradata, context.reorder_depth = layout.extradata or None, layout.delay
        if layout.tag:
            context.codec_tag = layout.tag
        _one_thread(context)
    yield context
    if layout.codec in KEPT:
        context.flush_buffers()
        if len(contexts) == CONTEXTS:
            del contexts[next(iter(contexts))]
        contexts[key] = context


def _one_thread(context):
    """The workers are the threads."""
    context.thread_type, context.thread_count = "NONE", 1
    context.options = {"max_pixels": str(MAX_PIXELS)}


def _tag(context):
    """What kind of the codec it is, by which decoders know the encoder's habits."""
    try:
        return context.codec_tag
    except UnicodeDecodeError:
        return ""


def _packets(container, stream):
    """The packets of `stream`, the one that flushes the decoder last.

    Theora has empty packets that repeat a frame; decoded, each would flush the decoder too early.
    """
    return (packet for packet in container.demux(stream) if packet.size or packet.dts is None)


def _find(data, packet):
    """Where the packet's bytes stand in the file; -1 where they do not stand in one piece."""
    if packet.pos is None or packet.pos < 0:
        return -1
    # Matroska gives the place of the block, whose header comes first.
    return data.find(bytes(packet), packet.pos, packet.pos + packet.size + 64)


def _gives(data, layout, expected):
    """Whether the layout leads to the same frames as the container did."""
    try:
        frames = list(_from_key_packets(data, layout, sorted(expected)))
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


def _orientation(frame):
    """(quarter turns, whether mirrored before) by the display matrix, whose rows say where x and y point."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    (xx, xy), (yx, yy) = np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2] / 2**16
    mirror = xx * yy - xy * yx < 0
    if mirror:
        xx, xy = -xx, -xy
    return round(math.atan2(-xy, xx) / (math.pi / 2)) % 4, mirror


def _pixel_aspect(stream):
    """Width of a pixel over its height; 1 where the file does not say, or says nonsense."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 0.1 <= aspect <= 10 else 1.0


def _seconds(times, num_frames, rate):
    """When each frame is shown; evenly, where the time stamps do not rise."""
    seconds = np.array(times, np.float64)
    if len(seconds) == num_frames and not np.isnan(seconds).any() and (np.diff(seconds) > 0).all():
        return seconds - seconds[0]
    return np.arange(num_frames) / (rate or 25.0)


@contextmanager
def _video_stream(data):
    """The container of `data` and its first video stream."""
    try:
        container = av.open(io.BytesIO(data))
    except av.error.FFmpegError as error:
        raise ValueError(f"not a video: {_reason(error)}") from error
    with container:
        # The picture on a song's cover is a video stream to FFmpeg, but no video.
        streams = [each for each in container.streams.video if Disposition.attached_pic not in each.disposition]
        if not streams:
            raise ValueError("no video stream in it")
        if streams[0].codec_context is None:
            raise ValueError("no decoder for its video stream")
        _one_thread(streams[0].codec_context)
        yield container, streams[0]


def _reason(error):
    return (error.strerror or str(error)).rstrip(".")
