"""Small video files made on the spot."""

import io
from fractions import Fraction

import av
import numpy as np

from r3d_jax.data.builder import VideoSet
from r3d_jax.video.probe import VideoInfo, probe


def frames_of(count, height=32, width=48):
    """Distinct frames: a bright square that moves, on noise."""
    rng = np.random.default_rng(count)
    frames = rng.integers(0, 40, (count, height, width, 3), np.uint8)
    for i, frame in enumerate(frames):
        left = (3 * i) % (width - 8)
        frame[8:16, left : left + 8] = 220 - i % 100
    return frames


def encode(
    frames,
    *,
    codec="mpeg4",
    container="avi",
    key_every=12,
    b_frames=0,
    pixels="yuv420p",
    options=None,
    turn=None,
    aspect=None,
    ticks=None,
):
    """A video file's bytes; `turn`: (degrees, whether mirrored), `ticks`: when each frame is shown, in 25ths."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=Fraction(25), options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.gop_size = key_every
        stream.max_b_frames = b_frames
        stream.codec_context.thread_count = 1
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn:
            stream.set_display_rotation(turn[0], hflip=turn[1])
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if ticks:
                picture.pts, picture.time_base = ticks[i], Fraction(1, 25)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return file.getvalue()


def remuxed(first, second, container):
    """One file with the video streams of two, interleaved."""
    file = io.BytesIO()
    inputs = (av.open(io.BytesIO(first)), av.open(io.BytesIO(second)))
    with av.open(file, "w", format=container) as output, inputs[0], inputs[1]:
        streams = [output.add_stream_from_template(each.streams.video[0]) for each in inputs]
        for source, stream in zip(inputs, streams):
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    output.mux(packet)
    return file.getvalue()


def audio_only():
    """A file without a video stream."""
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


def decode_all(data):
    """Every frame, by the plainest means."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        packets = (packet for packet in container.demux(stream) if packet.size or packet.dts is None)
        return np.stack([frame.to_ndarray(format="rgb24") for packet in packets for frame in packet.decode()])


def video_set(files, labels):
    """As a builder prepares it, in memory."""
    found = [probe(data) for data in files]
    index = {field: np.array([getattr(info, field) for info, _ in found]) for field in VideoInfo._fields}
    index |= {"name": np.array([f"v{i}" for i in range(len(files))]), "label": np.array(labels)}
    records = [
        packet_index._asdict() | {"codec": packet_index.codec.encode(), "tag": packet_index.tag.encode(), "video": data}
        for data, (_, packet_index) in zip(files, found)
    ]
    return VideoSet(records, index, ("a", "b", "c"))
