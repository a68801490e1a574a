"""Features of many videos in one file, NumPy's or Parquet; what is done of it survives a process that is killed."""

import base64
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict

from r3d_jax.errors import InputError
from r3d_jax.files import LOCK, occupied, refuse_existing, told_when_full, whole, write_text
from r3d_jax.inference.features import VideoFeatures, video_features
from r3d_jax.inference.features_formats import writer_of
from r3d_jax.inference.forward import block_of
from r3d_jax.models.description import to_dict
from r3d_jax.weights.integrity import checksum
from r3d_jax.weights.trained import TrainedNetwork

FACTS, LINES = "facts.json", "videos.jsonl"  # of the folder beside the file
FREE = ("source", "failed")  # facts that may differ from those of what is done already


class _Done(NamedTuple):
    """A video whose features are in the folder beside: where its line begins, and what its file was like."""

    offset: int
    stamp: list[int]


def save_features(
    network: TrainedNetwork,
    videos: Sequence[str | Path],
    out: Path,
    *,
    source: str = "",
    block: str = "",
    each_view: bool = False,
    views: int = 0,
    tell: Callable[[str], None] = print,
    **options: Any,
) -> dict[str, str]:
    """Writes the features of videos into a file, and says why videos cannot be read: {video: reason}.

    What is done is kept beside the file, in the folder `OUT.part`; the same call goes on from there, and removes it in
    the end. Memory is that of a few batches and of the videos' names.

    Args:
      out: file to write, called *.npz or *.parquet. It has `video`, `frames` and `features` [row, feature], with
        `each_view` also `view` and `seconds`, when the view begins; and `facts` as JSON, in Parquet as `r3d_jax` of the
        schema's metadata: where the network is from, the CRC-32 of its weights, the block, the clips, what has failed.
      source: where the network is from, for the file.
      block, each_view, views: as `video_features` takes them.
      tell: is called with lines to print, as they come.
      options: further ones of `video_features`.

    Raises:
      InputError: another name of the file, or one that is there already; no package to write Parquet; a block that does
        not exist; what is done is of another network or of other settings; another process writes the file; the disk is
        full; no video can be read.
      OSError: the folder cannot be written to.
    """
    write = writer_of(out)
    refuse_existing(out)
    facts = _facts(network, source, block, each_view, views)
    compute = _bound(network, {"block": block, "each_view": each_view, "views": views, **options})
    part, names = out.with_name(f"{out.name}.part"), list(map(str, videos))
    needed = 4 * 2048 * len(names) * (facts["clip"]["views"] if each_view else 1)
    full = told_when_full(out.absolute().parent, needed, f"a file of the features of {len(names):,} videos")
    with full, occupied(part):
        done = _begin(part, facts)
        failed = _compute(compute, part, names, done, tell)
        read = [done[name] for name in names if name not in failed]
        if read:
            with whole(out) as unfinished, (part / LINES).open("rb") as lines:
                write(unfinished, _entries(lines, read), len(read), facts | {"failed": failed})
        for name in (FACTS, LINES):
            (part / name).unlink()
    if part.exists() and not any(part.iterdir()):
        part.rmdir()
    if not read:
        raise InputError(f"none of {len(names)} videos can be read, so there are no features to write")
    return failed


def _bound(network, options):
    """videos -> their features; what is wrong with the options is told before anything is written."""
    video_features(network, [], **options)
    return lambda videos: video_features(network, videos, **options)


def _compute(compute, part, names, done, tell):
    """Adds what is not `done` yet to it, and to the file; {video: why it cannot be read}."""
    left = [name for name in names if name not in done or done[name].stamp != _stamp(name)]
    if len(left) < len(names):
        tell(f"{len(names) - len(left):,} of {len(names):,} videos are done already, in {part}")
    failed = {}
    with (part / LINES).open("ab") as file:
        for each in compute(left):
            if each.reason:
                failed[each.video] = each.reason
                tell(f"{each.video}: {each.reason}")
            else:
                done[each.video] = _Done(file.tell(), _stamp(each.video))
                file.write(_line(each, done[each.video].stamp))
                file.flush()
    return failed


def _facts(network, source, block, each_view, views):
    """What the file says of the network and of what it was shown, as JSON gives it back."""
    clip = replace(network.clip, views=views or network.clip.views)
    facts = {
        "source": source,
        "weights_crc32": checksum(flatten_dict(network.variables, sep="/")),
        "block": block or block_of(network),
        "each_view": each_view,
        "clip": asdict(clip),
        "network": to_dict(network.model),
    }
    return json.loads(json.dumps(facts))


def _begin(part: Path, facts: dict[str, Any]) -> dict[str, _Done]:
    """What an earlier call has done of the same; a line that was cut short is taken off."""
    if {path.name for path in part.iterdir()} <= {LOCK}:
        write_text(part / FACTS, json.dumps(facts, indent=2) + "\n")
    try:
        there = flatten_dict(json.loads((part / FACTS).read_text(encoding="utf-8")), sep=".")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{part} is not what an earlier call has done ({error}); move it away") from error
    here = flatten_dict(facts, sep=".")
    if differing := [name for name in here if name not in FREE and there.get(name) != here[name]]:
        name = differing[0]
        raise InputError(
            f"{part} holds features of another network or with other settings: {name} is {there.get(name)!r} there and "
            f"{here[name]!r} here ({len(differing)} differences); take those, name another file, or move it away"
        )
    done, offset = {}, 0
    with (part / LINES).open("a+b") as file:
        file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            done[entry["video"]] = _Done(offset, entry["stamp"])
            offset += len(line)
        file.truncate(offset)
    return done


def _stamp(name):
    """Size and time of a file: where they have changed, its features are computed again."""
    try:
        found = os.stat(os.path.expanduser(name))
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _line(each: VideoFeatures, stamp) -> bytes:
    features = np.ascontiguousarray(each.features, "<f4")
    entry = {"video": each.video, "stamp": stamp, "frames": each.frames, "seconds": each.seconds.tolist()}
    entry |= {"shape": features.shape, "features": base64.b64encode(features).decode()}
    return json.dumps(entry).encode() + b"\n"


def _entries(lines: BinaryIO, read: list[_Done]) -> Iterator[VideoFeatures]:
    for each in read:
        lines.seek(each.offset)
        entry = json.loads(lines.readline())
        features = np.frombuffer(base64.b64decode(entry["features"]), "<f4").reshape(entry["shape"])
        yield VideoFeatures(entry["video"], entry["frames"], np.array(entry["seconds"]), features)
