"""Small video files made on the spot."""

import io
from fractions import Fraction

import av
import numpy as np


def frames_of(count, height=32, width=48):
    """Distinct frames: a bright square that moves, on noise."""
    rng = np.random.default_rng(count)
    frames = rng.integers(0, 40, (count, height, width, 3), np.uint8)
    for i, frame in enumerate(frames):
        left = (3 * i) % (width - 8)
        frame[8:16, left : left + 8] = 220 - i % 100
    return frames


def encode(frames, *, codec="mpeg4", container="avi", key_every=12, b_frames=0):
    """A video file's bytes."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = key_every
        stream.max_b_frames = b_frames
        stream.codec_context.thread_count = 1
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode())
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
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
