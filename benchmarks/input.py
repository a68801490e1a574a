"""python -m benchmarks.input FOLDER: random training clips from videos, against decord and torchcodec.

FOLDER holds videos at any depth (UCF-101's AVIs, for instance). Every reader gets the same files and is asked for the
same frames and the same window: eight frames at 112x112, of a frame whose short edge would be 128 to 160. Runs are
interleaved, on one core; medians. Peers that are not installed are left out (pip install decord torchcodec torch).
Then, without peers: what ten-clip testing costs, how the whole pipeline scales, and memory over many clips.
"""

import argparse
import contextlib
import gc
import importlib.util
import os
import resource
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from r3d_jax.data.batches import read_ahead, train_batches
from r3d_jax.data.video_folder import VideoFolder
from r3d_jax.video.clips import ClipSpec, eval_clips, train_clip
from r3d_jax.video.folder import videos_in
from r3d_jax.video.pixels import read_whole, read_window
from r3d_jax.video.probe import probe
from r3d_jax.video.transforms import draw_crop_window, short_edge_size

FRAMES, CROP, SIZES = 8, 112, (128, 160)
ENDLESS = 2**30  # batches: epoch after epoch


def jobs_of(videos, clips, seed):
    """(video, frame indices, window), the same for every reader."""
    jobs = []
    for k in range(clips):
        rng = np.random.default_rng([seed, k])
        i = int(rng.integers(len(videos)))
        indices = train_clip(videos[i][2].num_frames, rng, frames=FRAMES, stride=1)
        jobs.append((i, indices, draw_crop_window(rng, sizes=SIZES, crop=CROP, flip=0.5)))
    return jobs


def ours(videos, jobs):
    """As training reads them, from the bytes of a prepared record."""
    return [read_window(*videos[i], indices, window) for i, indices, window in jobs]


def crop_by_opencv(frames, window):
    """The window of full-size RGB frames."""
    height, width = frames.shape[1:3]
    rows, columns = window.box((height, width), short_edge_size(height, width, window.short_edge), even=True)
    clip = np.stack([cv2.resize(frame[rows, columns], (CROP, CROP)) for frame in frames])
    return clip[:, :, ::-1] if window.flip else clip


def decord_full(paths, jobs):
    """Full-size frames, cut and resized by OpenCV."""
    import decord

    return [
        crop_by_opencv(decord.VideoReader(str(paths[i]), num_threads=1).get_batch(indices).asnumpy(), window)
        for i, indices, window in jobs
    ]


def decord_resized(paths, jobs):
    """Resized by decord while it decodes, then cut; the size has to be known beforehand: UCF-101's."""
    import decord

    clips = []
    for i, indices, window in jobs:
        height, width = short_edge_size(240, 320, window.short_edge)
        reader = decord.VideoReader(str(paths[i]), num_threads=1, width=width, height=height)
        rows, columns = window.box((height, width), (height, width))
        clip = reader.get_batch(indices).asnumpy()[:, rows, columns]
        clips.append(clip[:, :, ::-1] if window.flip else clip)
    return clips


def torchcodec_full(paths, jobs, *, seek_mode, resize):
    """Full-size frames, cut and resized by PyTorch (`resize` "torch") or by OpenCV."""
    import torch
    from torchcodec.decoders import VideoDecoder

    clips = []
    for i, indices, window in jobs:
        decoder = VideoDecoder(str(paths[i]), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode=seek_mode)
        if (np.diff(indices) == 1).all():
            frames = decoder.get_frames_in_range(int(indices[0]), int(indices[-1]) + 1).data
        else:
            frames = decoder.get_frames_at(indices.tolist()).data
        if resize == "opencv":
            clips.append(crop_by_opencv(frames.numpy(), window))
            continue
        height, width = frames.shape[1:3]
        target = short_edge_size(height, width, window.short_edge)
        rows, columns = window.box((height, width), target, even=True)
        part = frames[:, rows, columns].permute(0, 3, 1, 2)
        clip = torch.nn.functional.interpolate(part, (CROP, CROP), mode="bilinear").permute(0, 2, 3, 1)
        clips.append((clip.flip(2) if window.flip else clip).contiguous().numpy())
    return clips


def torchcodec_transforms(paths, jobs, *, seek_mode):
    """Resized and cut by torchcodec's own transforms while it decodes (at a place of its own choice)."""
    from torchcodec import transforms
    from torchcodec.decoders import VideoDecoder

    clips = []
    for i, indices, window in jobs:
        target = short_edge_size(240, 320, window.short_edge)
        steps = [transforms.Resize(target), transforms.RandomCrop((CROP, CROP))]
        decoder = VideoDecoder(
            str(paths[i]), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode=seek_mode, transforms=steps
        )
        clips.append(decoder.get_frames_in_range(int(indices[0]), int(indices[0]) + FRAMES).data.numpy())
    return clips


def readers_of(paths, videos):
    """{name: function of jobs}, ours first."""
    readers = {"r3d_jax": partial(ours, videos)}
    if importlib.util.find_spec("decord"):
        readers["decord, full size, OpenCV"] = partial(decord_full, paths)
        readers["decord, its own resize"] = partial(decord_resized, paths)
    if importlib.util.find_spec("torchcodec"):
        import torch

        torch.set_num_threads(1)
        for mode in ("exact", "approximate"):
            for resize in ("torch", "opencv"):
                name = f"torchcodec {mode}, full size, {resize}"
                readers[name] = partial(torchcodec_full, paths, seek_mode=mode, resize=resize)
            if importlib.util.find_spec("torchcodec.transforms"):
                readers[f"torchcodec {mode}, its own transforms"] = partial(
                    torchcodec_transforms, paths, seek_mode=mode
                )
    return readers


def compare(readers, videos, clips, rounds):
    """Prints clips a second, our ratio, and how far apart the clips are."""
    jobs = [job for job in jobs_of(videos, 4 * clips, 0) if (np.diff(job[1]) == 1).all()][:clips]
    times = {name: [] for name in readers}
    first = {name: read(jobs[:16]) for name, read in readers.items()}
    for _ in range(rounds):
        for name, read in readers.items():
            start = time.perf_counter()
            read(jobs)
            times[name].append((time.perf_counter() - start) / len(jobs))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'one core':42} clips/s   ours is   mean difference of pixels")
    for name, seconds in medians.items():
        apart = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(first["r3d_jax"], first[name], strict=True)])
        shown = "(other windows)" if "transforms" in name else f"{apart:.2f}"
        print(f"{name:42} {1 / seconds:7.0f}   {seconds / medians['r3d_jax']:6.2f}x   {shown}")


@contextlib.contextmanager
def prepared(paths):
    """Training batches of eight from a TFDS data set of videos, whose classes and splits are made up."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "videos"
        for i, path in enumerate(paths):
            link = source / ("train", "test")[i % 2] / ("one", "other")[i // 2 % 2] / f"{i}{path.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        with contextlib.redirect_stdout(None):
            videos = VideoFolder(source=str(source), data_dir=place, max_broken=1.0).load()
        clip = ClipSpec(frames=FRAMES, train_sizes=SIZES, crop=CROP)
        yield train_batches(videos, np.arange(len(videos.records)), clip, batch_size=8)


def scale(batches, count, rounds):
    """Prints the speed of the whole input pipeline, records to batches, with one and with two workers of each kind."""
    speeds = {}
    for _ in range(rounds):
        for kind in ("workers", "processes"):
            for readers in (1, 2):
                how = {"workers": 0, kind: readers, "stop": ENDLESS}
                with contextlib.closing(iter(read_ahead(batches, **how))) as read:
                    for _ in range(8):
                        next(read)
                    start = time.perf_counter()
                    for _ in range(count):
                        next(read)
                    speeds.setdefault((kind, readers), []).append(8 * count / (time.perf_counter() - start))
                gc.collect()
    for kind, name in (("workers", "thread"), ("processes", "process")):
        one, two = (statistics.median(speeds[kind, readers]) for readers in (1, 2))
        print(f"records to batches: one {name} {one:.0f} clips/s, two {two:.0f}: {two / one:.2f} times")


def test_cost(videos):
    """Prints what ten clips of a video cost."""
    seconds, shown, different = 0.0, 0, 0
    some = videos[:: max(1, len(videos) // 20)]
    for data, packet_index, info in some:
        indices = eval_clips(info.num_frames, views=10, frames=FRAMES, stride=1)
        start = time.perf_counter()
        read_whole(data, packet_index, info, indices, size=128)
        seconds += time.perf_counter() - start
        shown += indices.size
        different += np.unique(indices).size
    print(
        f"ten-clip testing: {1e3 * seconds / len(some):.0f} ms a video, for {shown} frames of which {different} differ"
    )


def memory(batches, clips):
    """Prints resident memory over many clips through the whole pipeline, and what `read_ahead` says it may take."""
    batch = 8
    frame = 240 * 320 * 1.5
    bound = (2 + 2 + 1) * batch * FRAMES * CROP**2 * 3 + 2 * (2**20 + (FRAMES + 12) * frame)
    with contextlib.closing(iter(read_ahead(batches, stop=ENDLESS, workers=2))) as read:
        sizes = []
        for k in range(clips // batch):
            if k % (clips // batch // 10) == 0:
                with open("/proc/self/statm") as file:
                    sizes.append(int(file.read().split()[1]) * resource.getpagesize() / 2**20)
            next(read)
    after = ", ".join(f"{size - sizes[0]:+.0f}" for size in sizes[1:])
    print(f"memory over {clips:,} clips: {sizes[0]:.0f} MiB before, then {after}; by the formula {bound / 2**20:+.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory_clips", type=int, default=20_000)
    flags = parser.parse_args()
    cv2.setNumThreads(1)
    paths = videos_in(flags.folder)
    videos = []
    for path in paths:
        data = path.read_bytes()
        info, packet_index = probe(data)
        videos.append((data, packet_index, info))
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    compare(readers_of(paths, videos), videos, flags.clips, flags.rounds)
    test_cost(videos)
    os.sched_setaffinity(0, cores)
    with prepared(paths) as batches:
        scale(batches, flags.clips // 2, flags.rounds)
        memory(batches, flags.memory_clips)


if __name__ == "__main__":
    main()
