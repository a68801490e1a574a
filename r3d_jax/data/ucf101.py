"""UCF-101 (Soomro, Zamir & Shah, arXiv:1212.0402) as a TFDS builder: from a folder, its archives, or a download."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import requests
import tensorflow_datasets as tfds

from r3d_jax.class_names import names_in
from r3d_jax.data.builder import VideoBuilder
from r3d_jax.data.preparation import VideoFile, report_missing, variant_of
from r3d_jax.data.unpack import REMEDIES, can_unpack_rar, unpack_rar, unpack_zip
from r3d_jax.errors import InputError
from r3d_jax.files import check_free

VIDEOS_URL = "https://www.crcv.ucf.edu/datasets/human-actions/ucf101/UCF101.rar"
SPLITS_URL = "https://www.crcv.ucf.edu/wp-content/uploads/2019/03/UCF101TrainTestSplits-RecognitionTask.zip"
VIDEOS_ARCHIVE, SPLITS_ARCHIVE = VIDEOS_URL.rsplit("/", 1)[1], SPLITS_URL.rsplit("/", 1)[1]
NUM_VIDEOS = 13320
FOLD_SIZES = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}  # train, test

_TRY = "to try things out, the demo data set needs nothing (configs/demo.py)"
_BY_HAND = (
    f"put {VIDEOS_ARCHIVE} ({VIDEOS_URL}) and {SPLITS_ARCHIVE} ({SPLITS_URL}) into one folder, unpacked or not, "
    f"and name that folder as `source`; {_TRY}"
)


class UCF101(VideoBuilder, skip_registration=True):
    """UCF-101: 13,320 videos of 101 actions, with its three official folds split by group."""

    name = "ucf101"
    folds = 3

    def __init__(
        self, *, source: str | Path = "", splits: str | Path = "", data_dir: str | Path = "data", **preparing: Any
    ):
        """Nothing is read yet.

        Args:
          source: folder that holds `UCF-101/<class>/*.avi` (or the class folders themselves) or UCF101.rar; empty:
            everything is downloaded.
          splits: folder of the split files, relative to `source` or not; empty: found in `source`, unpacked or zipped.
          data_dir: folder that prepared data sets are kept in.
          preparing: `max_broken`, `short_edge`, `key_every` and `renew`, as `VideoBuilder` takes them.
        """
        self.source = Path(source).expanduser().resolve() if source else None
        self.splits = os.path.expanduser(splits)
        variant = variant_of(self.source, self.splits) if self.source else "download"
        super().__init__(data_dir=data_dir, variant=variant, **preparing)

    def source_files(self) -> list[Path] | None:
        """The videos and split files of the source, or the archives of what is not unpacked; None where it is gone."""
        if not self.source or not self.source.is_dir():
            return None
        root, splits = _video_root(self.source), _splits_folder(self.source, self.splits)
        files = sorted(root.glob("*/*.avi")) if root else [self.source / VIDEOS_ARCHIVE]
        files += sorted(splits.glob("*.txt")) if splits else [self.source / SPLITS_ARCHIVE]
        return files

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every video of the tree that the split files name.

        Raises:
          InputError: videos or split files are missing and cannot be had, or contradict each other.
          OSError: the disk is full, or cannot be written to.
        """
        videos, splits = self._sources(dl_manager)
        classes = _read_classes(splits)
        self._class_names = tuple(classes)
        return _match(self._class_names, _read_folds(splits, classes), videos)

    def class_names(self) -> tuple[str, ...]:
        """The 101 names of classInd.txt, in its order; they are known once `video_files` has read the split files."""
        return self._class_names

    def _sources(self, dl_manager):
        """The folder of the class folders and the folder of the split files."""
        if self.source is None:
            _need_unrar()
            videos, splits = _download(dl_manager)
            return self._unpack_videos(videos), self._unpack_splits(splits)
        if not self.source.is_dir():
            raise InputError(f"no folder {self.source} (`source`); {_BY_HAND}")
        videos, splits = _video_root(self.source), _splits_folder(self.source, self.splits)
        if not splits:
            if self.splits or not (self.source / SPLITS_ARCHIVE).exists():
                raise InputError(
                    f"no split files (classInd.txt, trainlist01.txt ...) in {self.source / self.splits}; put "
                    f"{SPLITS_ARCHIVE} ({SPLITS_URL}) into {self.source}, unpacked or not, or name their folder "
                    f"as `splits`; {_TRY}"
                )
            splits = self._unpack_splits(self.source / SPLITS_ARCHIVE)
        if not videos:
            if not (self.source / VIDEOS_ARCHIVE).exists():
                raise InputError(f"no UCF-101/<class>/*.avi and no {VIDEOS_ARCHIVE} in {self.source}; {_BY_HAND}")
            _need_unrar()
            videos = self._unpack_videos(self.source / VIDEOS_ARCHIVE)
        return videos, splits

    def _unpack_videos(self, archive):
        return self._unpack(archive, unpack_rar, _video_root, "<class>/*.avi", VIDEOS_URL)

    def _unpack_splits(self, archive):
        return self._unpack(archive, unpack_zip, _splits_folder, "classInd.txt", SPLITS_URL)

    def _unpack(self, archive, unpack, find, wanted, url):
        """Unpacks into the data set's own unfinished folder, which TFDS removes or renames; never into the source."""
        folder = Path(tempfile.mkdtemp(prefix="unpacked-", dir=self.data_dir))
        # Videos are packed as they are.
        check_free(folder, 2 * archive.stat().st_size, f"unpacking and preparing {archive.name}")
        print(f"Unpacking {archive}", flush=True)
        remedy = f"fetch it again from {url}, or unpack it yourself next to it; {_TRY}"
        try:
            unpack(archive, folder)
        except ValueError as error:
            raise InputError(f"cannot unpack {archive} ({error}); {remedy}") from error
        found = find(folder)
        if not found:
            raise InputError(f"no {wanted} in {archive}; {remedy}")
        return found


def _video_root(source):
    """The folder of the class folders, or None."""
    return next((root for root in (source / "UCF-101", source) if next(root.glob("*/*.avi"), None)), None)


def _splits_folder(source, splits=""):
    """The folder of the split files, or None."""
    folders = [source / splits] if splits else [source / "ucfTrainTestlist", source]
    return next((folder for folder in folders if (folder / "classInd.txt").exists()), None)


def _download(dl_manager):
    try:
        for url in (VIDEOS_URL, SPLITS_URL):  # TFDS tries a dead link again for minutes; ask once, first
            requests.head(url, timeout=20, allow_redirects=True).raise_for_status()
        paths = dl_manager.download({"videos": VIDEOS_URL, "splits": SPLITS_URL})
    except (requests.RequestException, tfds.download.DownloadError, OSError) as error:
        raise InputError(f"UCF-101 cannot be downloaded ({_first_line(error)}); {_BY_HAND}") from error
    return Path(paths["videos"]), Path(paths["splits"])


def _need_unrar():
    if not can_unpack_rar():
        raise InputError(
            f"nothing here unpacks {VIDEOS_ARCHIVE}: {REMEDIES}, or unpack the archive yourself next to it; {_TRY}"
        )


def _read_classes(splits):
    """{class name: its number}, in label order: `1 ApplyEyeMakeup` is label 0."""
    rows = [line.split() for line in names_in((splits / "classInd.txt").read_text()) if line.strip()]
    try:
        return {name: number for number, name in sorted((int(number), name) for number, name in rows)}
    except ValueError as error:
        raise InputError(f"{splits / 'classInd.txt'} must have lines like `1 ApplyEyeMakeup`: {error}") from error


def _read_folds(splits, classes):
    """{"class/file.avi" as listed: its membership in each of the three folds}."""
    folds, numbers = {}, {name.lower(): number for name, number in classes.items()}
    for fold in FOLD_SIZES:
        for member in ("train", "test"):
            path = splits / f"{member}list{fold:02d}.txt"
            if not path.exists():
                raise InputError(f"no {path.name} in {splits}; fetch the split files again from {SPLITS_URL}; {_TRY}")
            for line in names_in(path.read_text()):
                if not line.strip():
                    continue
                name, *number = line.split()
                action = name.partition("/")[0].lower()
                if number and action in numbers and number != [str(numbers[action])]:
                    raise InputError(
                        f"{path} gives {name} the number {' '.join(number)}, but classInd.txt gives its class "
                        f"{numbers[action]}; fetch the split files again from {SPLITS_URL}"
                    )
                members = folds.setdefault(name, ["none"] * len(FOLD_SIZES))
                if members[fold - 1] not in ("none", member):
                    raise InputError(f"{name} is in both trainlist and testlist of fold {fold} in {splits}")
                members[fold - 1] = member
    return folds


def _match(class_names, folds, root):
    """The listed videos that are in the tree; names are compared without regard to case."""
    labels = {name.lower(): label for label, name in enumerate(class_names)}
    tree = {f"{path.parent.name}/{path.name}".lower(): path for path in sorted(root.glob("*/*.avi"))}
    files = []
    for name, members in sorted(folds.items()):
        path = tree.pop(name.lower(), None)
        if path is None:
            continue
        action, _, file = name.partition("/")
        if action.lower() not in labels:
            raise InputError(f"{name} is in a split file, but {action} is not in classInd.txt")
        group = re.search(r"_g(\d+)_", file)
        label = labels[action.lower()]
        files.append(VideoFile(file, label, int(group[1]) if group else 0, tuple(members), path.read_bytes, path))
    report_missing(len(folds) - len(files), len(folds), "split files", root)
    if tree:
        print(f"{len(tree)} of the videos in {root} are in no split file and are left out", flush=True)
    if len(files) == NUM_VIDEOS:
        _check_fold_sizes(files)
    return files


def _check_fold_sizes(files):
    for fold, official in FOLD_SIZES.items():
        found = tuple(sum(file.folds[fold - 1] == member for file in files) for member in ("train", "test"))
        if found != official:
            raise InputError(
                f"fold {fold} of the complete data set must have {official} (train, test) videos, not {found}; fetch "
                f"the split files again from {SPLITS_URL}"
            )


def _first_line(text):
    return str(text).strip().partition("\n")[0]
