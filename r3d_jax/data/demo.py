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
from jaxtyping import Float, UInt8

from r3d_jax.data.builder import VideoBuilder
from r3d_jax.data.preparation import VideoFile
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
    """What the videos of one group share: they are as alike as clips cut from one recording.

    Attributes:
      background: RGB, from 0 to 255.
      colour: of the dot, RGB.
      dot_radius: in pixels.
      ring_radius: in pixels.
    """

    background: Float[np.ndarray, "height width 3"]
    colour: Float[np.ndarray, "3"]
    dot_radius: float
    ring_radius: float


class Demo(VideoBuilder, skip_registration=True):
    """Eight motions of a dot on a ring, in groups of a common appearance; whole groups are held out for testing."""

    name = "demo"

    def __init__(self, *, data_dir: str | Path = "data", groups: int = 40, videos_per_group: int = 2, seed: int = 0):
        """Nothing is drawn yet.

        Args:
          data_dir: folder that prepared data sets are kept in.
          groups: of each class; every fifth is for testing.
          videos_per_group: how many there are of each class in a group.
          seed: of all that is chance in the videos.
        """
        self.groups, self.videos_per_group, self.seed = groups, videos_per_group, seed
        super().__init__(data_dir=data_dir, variant=f"{groups}x{videos_per_group}-seed{seed}")

    def source_files(self) -> list[Path]:
        """No files: the videos are drawn from nothing on disk that could change."""
        return []

    def class_names(self) -> tuple[str, ...]:
        """The eight classes by gait and way, as in `walk_left`."""
        return tuple(CLASSES)

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every video of the data set, to be drawn when it is read; nothing is downloaded."""
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
    """Draws and encodes one video: the bytes of an AVI file of 32 frames of 48x60 pixels at 25 a second.

    It is a pure function of its arguments.

    Args:
      name: of the class, as in `walk_left`.
      seed: of the data set.
      group: decides what the video looks like.
      clip: number of the video in its class and group; decides where the dot is and the noise.
    """
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
    """Writes a few test videos into `folder`, for trying out a network that the demo has trained.

    Files that are there already are left as they are.

    Returns:
      `folder`.

    Raises:
      OSError: `folder` cannot be written to.
    """
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
    noise = rng.normal(0, 4, (HEIGHT, WIDTH, 1))
    frame = appearance.background + noise
    reach = appearance.dot_radius + 1
    ranges = ((int(at - reach), int(at + reach) + 1, n) for at, n in zip(dot, (HEIGHT, WIDTH)))
    near = tuple(slice(max(0, low), min(n, high)) for low, high, n in ranges)  # the rest is background
    rows, columns = np.ogrid[near]
    inside = np.clip(appearance.dot_radius + 0.5 - np.hypot(rows - dot[0], columns - dot[1]), 0, 1)[..., None]
    frame[near] = appearance.background[near] * (1 - inside) + appearance.colour * inside + noise[near]
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
