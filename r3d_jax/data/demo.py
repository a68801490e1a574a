"""A made-up data set whose classes differ by motion alone: small AVI files, drawn and encoded on the spot.

A dot visits the eight places of a ring, one a frame, again and again. The class is the order in which it does so;
where the ring stands, where the dot starts, and what everything looks like is chance. Any eight frames in a row
show each place exactly once, so neither a single frame nor all of them shuffled tell anything of the class.
"""

import io
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import UInt8

from r3d_jax.data.builder import VideoBuilder, VideoFile
from r3d_jax.files import whole

PLACES = 8
GAITS = {
    "walk": (0, 1, 2, 3, 4, 5, 6, 7),  # to the next place
    "two_laps": (0, 2, 4, 6, 1, 3, 5, 7),  # every second place, twice round
    "leap": (0, 3, 6, 1, 4, 7, 2, 5),  # three places at a time
    "stagger": (0, 2, 1, 3, 4, 6, 5, 7),  # two forth, one back, two forth, one forth
}
WAYS = {"right": 1, "left": -1}
CLASSES = {f"{gait}_{way}": (order, sign) for gait, order in GAITS.items() for way, sign in WAYS.items()}
HEIGHT, WIDTH, FRAMES, FRAME_RATE = 48, 60, 32, 25
TEST_GROUPS = 5  # one group in five is held out
SAMPLES = ("walk_left", "stagger_left")  # classes of which `write_samples` writes a test video


class Appearance(NamedTuple):
    """What the videos of one group share: they are as alike as clips cut from one recording."""

    background: np.ndarray
    colour: np.ndarray
    dot_radius: float
    ring_radius: float


class Demo(VideoBuilder, skip_registration=True):
    """Eight motions of a dot on a ring, in groups of a common appearance; whole groups are held out for testing."""

    name = "demo"

    def __init__(self, *, data_dir: str, groups: int = 40, videos_per_group: int = 2, seed: int = 0):
        """`groups` of each class, `videos_per_group` in each; every fifth group is for testing."""
        self.groups, self.videos_per_group, self.seed = groups, videos_per_group, seed
        super().__init__(data_dir=data_dir, variant=f"{groups}x{videos_per_group}-seed{seed}")

    def fingerprint(self) -> int:
        """Of what the videos are drawn from: nothing on disk."""
        return 0

    def class_names(self) -> tuple[str, ...]:
        """Gait and way, as in `walk_left`."""
        return tuple(CLASSES)

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every video, to be drawn when it is read."""
        del dl_manager
        return [
            VideoFile(
                f"v_{name}_g{group:02d}_c{clip:02d}.avi",
                label,
                group,
                ("test" if group % TEST_GROUPS == 0 else "train",),
                partial(draw_video, name, self.seed, group, clip),
            )
            for label, name in enumerate(CLASSES)
            for group in range(1, self.groups + 1)
            for clip in range(self.videos_per_group)
        ]


def draw_video(name: str, seed: int, group: int, clip: int) -> bytes:
    """One AVI file of class `name`: a pure function of its arguments."""
    appearance = _appearance(np.random.default_rng([seed, group]))
    order, sign = CLASSES[name]
    rng = np.random.default_rng([seed, group, clip, list(CLASSES).index(name)])
    margin = appearance.ring_radius + appearance.dot_radius
    centre = rng.uniform((margin, margin), (HEIGHT - margin, WIDTH - margin))
    start, turn = rng.integers(PLACES), rng.uniform(0, 2 * np.pi)
    frames = []
    for i in range(FRAMES):
        angle = turn + sign * 2 * np.pi * order[(start + i) % PLACES] / PLACES
        dot = centre + appearance.ring_radius * np.array([np.sin(angle), np.cos(angle)])
        frames.append(_draw_frame(appearance, dot, rng))
    return _encode(np.stack(frames))


def write_samples(folder: Path) -> Path:
    """Writes a few of the test videos into `folder`, for trying out a network that the demo has trained; returns it."""
    for name in SAMPLES:
        path = folder / f"v_{name}_g{TEST_GROUPS:02d}_c00.avi"
        if not path.exists():
            with whole(path) as unfinished:
                unfinished.write_bytes(draw_video(name, 0, TEST_GROUPS, 0))
    return folder


def _appearance(rng):
    coarse = rng.uniform(0, 50, (4, 5, 3))
    background = coarse.repeat(HEIGHT // 4, 0).repeat(WIDTH // 5, 1)
    colour = rng.uniform(170, 255, 3)
    return Appearance(background, colour, dot_radius=rng.uniform(5, 7), ring_radius=rng.uniform(11, 16))


def _draw_frame(appearance, dot, rng) -> UInt8[np.ndarray, "height width 3"]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = np.clip(appearance.dot_radius + 0.5 - np.hypot(rows - dot[0], columns - dot[1]), 0, 1)[..., None]
    frame = appearance.background * (1 - inside) + appearance.colour * inside + rng.normal(0, 4, (HEIGHT, WIDTH, 1))
    return frame.clip(0, 255).astype(np.uint8)


def _encode(frames: UInt8[np.ndarray, "time height width 3"]) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=FRAME_RATE)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = {"qscale": "3", "flags": "+qscale"}
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
