"""What is wrong with the videos of a folder: every file is decoded once, in parallel."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from r3d_jax.errors import InputError
from r3d_jax.parallel import in_order
from r3d_jax.video.clips import span
from r3d_jax.video.folder import CALLED, videos_in
from r3d_jax.video.probe import VideoInfo, probe

RATES = (5, 121)  # frames a second; what lies outside is rarely meant


class Finding(NamedTuple):
    """One thing that is wrong with one file.

    Attributes:
      file: its path, relative to the folder that was checked where it lies below it.
      kind: one of duplicate, fewer frames, no video stream, odd frame rate, short, truncated, unreadable.
      detail: what exactly.
    """

    file: str
    kind: str
    detail: str


class Report(NamedTuple):
    """What a check of many files has found.

    Attributes:
      findings: in the order of the files.
      videos: how many files were read.
      frames: how many frames of them were decoded.
      read: {path: (digest, VideoInfo)} of the files; a digest of what cannot be read and a VideoInfo of what cannot be
        decoded are None.
    """

    findings: list[Finding]
    videos: int
    frames: int
    read: dict[Path, tuple[str | None, VideoInfo | None]]

    def lines(self) -> list[str]:
        """The findings as the lines of a table, and a last line of totals."""
        widths = [max((len(finding[column]) for finding in self.findings), default=0) for column in (0, 1)]
        table = [f"{file:{widths[0]}}  {kind:{widths[1]}}  {detail}".rstrip() for file, kind, detail in self.findings]
        kinds = Counter(finding.kind for finding in self.findings)
        wrong = len({finding.file for finding in self.findings})
        totals = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())) or "nothing wrong"
        return [*table, f"{self.videos:,} videos, {self.frames:,} frames; {wrong:,} files to look at: {totals}"]


def check(folder: Path, **options: int) -> Report:
    """Decodes every video in `folder` and below, and reports what is wrong with which.

    Args:
      options: `frames`, `stride` and `workers`, as `check_files` takes them.

    Raises:
      InputError: there is no such folder, or no file in it that is called like a video.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}")
    files = videos_in(folder)
    if not files:
        raise InputError(f"no video in {folder}; {CALLED}")
    return check_files(files, folder, **options)


def check_files(files: Sequence[Path], folder: Path, *, frames: int = 8, stride: int = 1, workers: int = 0) -> Report:
    """Decodes every one of `files` and reports what is wrong with which; a file that cannot be read is a finding too.

    Args:
      folder: names of files below it are given relative to it.
      frames: of a clip; videos that are too short for one are reported.
      stride: from one frame of that clip to the next, in frames of the video.
      workers: threads; 0: one for each core.
    """
    reach, findings, seen, read, total = span(frames, stride), [], {}, {}, 0
    found = in_order(_read, files, label="Checking", workers=workers, leave=False)
    for path, (digest, info, faults) in zip(files, found):
        read[path] = digest, info
        name = str(path.relative_to(folder) if path.is_relative_to(folder) else path)
        if info:
            total += info.num_frames
            faults += _faults_of(info, reach)
        if digest and (first := seen.setdefault(digest, name)) != name:
            faults.append(("duplicate", f"the same bytes as {first}"))
        findings += [Finding(name, *fault) for fault in faults]
    return Report(findings, len(files), total, read)


def _read(path):
    """(digest, VideoInfo or None, [(kind, detail)])."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return None, None, [("unreadable", error.strerror or str(error))]
    digest = hashlib.blake2b(data).hexdigest() if data else None
    try:
        info, _ = probe(data)
    except ValueError as error:
        kind = "no video stream" if "no video stream" in str(error) else "unreadable"
        return digest, None, [("truncated" if "breaks off" in str(error) else kind, str(error) if data else "empty")]
    if info.num_frames < info.declared_frames:
        return digest, info, [("fewer frames", f"{info.num_frames} decode of the {info.declared_frames} it declares")]
    return digest, info, []


def _faults_of(info, reach):
    faults = []
    if info.num_frames < reach:
        faults.append(("short", f"{info.num_frames} frames, but a clip spans {reach}"))
    if not RATES[0] <= info.frame_rate < RATES[1]:
        rate = f"{info.frame_rate:g} frames a second" if info.frame_rate else "none in the file"
        faults.append(("odd frame rate", rate))
    return faults
