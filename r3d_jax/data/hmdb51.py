"""HMDB-51 (Kuehne et al., ICCV 2011) as a TFDS builder, from a folder with its videos and its 70/30 split files."""

import os
import re
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from r3d_jax.class_names import names_in
from r3d_jax.data.builder import VideoBuilder
from r3d_jax.data.preparation import VideoFile, report_missing, variant_of
from r3d_jax.errors import InputError

HOME = "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/"
SPLITS = "testTrainMulti_7030_splits"
MEMBERSHIP = {"0": "none", "1": "train", "2": "test"}
_BY_HAND = (
    f"unpack hmdb51_org.rar and, in it, the archive of each class, and test_train_splits.rar ({HOME}) into one folder, "
    f"so that it holds <class>/*.avi and {SPLITS}/, and name it as `source`"
)


class HMDB51(VideoBuilder, skip_registration=True):
    """HMDB-51: some 6,800 videos of 51 actions, in three official folds of 70 training and 30 test videos a class."""

    name = "hmdb51"
    folds = 3

    def __init__(self, *, source: str | Path, splits: str | Path = "", data_dir: str | Path = "data", **preparing: Any):
        """Nothing is read yet.

        Args:
          source: folder that holds `<class>/*.avi`, itself or in `hmdb51_org`.
          splits: folder of `<class>_test_split1.txt` and so on, relative to `source` or not; empty: found in `source`.
          data_dir: folder that prepared data sets are kept in.
          preparing: `max_broken`, `short_edge`, `key_every` and `renew`, as `VideoBuilder` takes them.

        Raises:
          InputError: `source` is empty.
        """
        if not source:
            raise InputError(f"HMDB-51 is not downloaded: {_BY_HAND}")
        self.source, self.splits = Path(source).expanduser().resolve(), os.path.expanduser(splits)
        super().__init__(data_dir=data_dir, variant=variant_of(self.source, self.splits), **preparing)

    def source_files(self) -> list[Path] | None:
        """The videos and split files of the source; None where it is gone.

        Raises:
          InputError: the source holds no videos or no split files.
        """
        if not self.source.is_dir():
            return None
        return sorted(self._tree().values()) + sorted(self._splits_folder().glob("*_test_split?.txt"))

    def class_names(self) -> tuple[str, ...]:
        """The classes that the split files are called after, in alphabetical order.

        Raises:
          InputError: there are no split files.
        """
        return tuple(sorted({name for name, _ in self._split_files()}))

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every video of the tree that the split files name.

        Raises:
          InputError: videos or split files are missing, or a split file cannot be understood.
        """
        folds: dict[str, list[str]] = {}
        for (action, fold), path in self._split_files().items():
            for line in filter(str.strip, names_in(path.read_text())):
                file, _, number = line.strip().rpartition(" ")
                if number not in MEMBERSHIP or not file:
                    raise InputError(f"{path} must have lines like `NAME.avi 1`, ending in 0, 1 or 2, not {line!r}")
                members = folds.setdefault(f"{action}/{file.strip()}", ["none"] * self.folds)
                members[fold - 1] = MEMBERSHIP[number]
        tree, classes = self._tree(), self.class_names()
        found = {name: members for name, members in sorted(folds.items()) if name in tree}
        report_missing(len(folds) - len(found), len(folds), "split files", self.source)
        return [
            VideoFile(name, classes.index(name.partition("/")[0]), 0, tuple(members), tree[name].read_bytes, tree[name])
            for name, members in found.items()
        ]

    def _tree(self):
        """{"class/file": path} of every video."""
        for root in (self.source / "hmdb51_org", self.source):
            if tree := {f"{path.parent.name}/{path.name}": path for path in root.glob("*/*.avi")}:
                return tree
        raise InputError(f"no <class>/*.avi in {self.source} (`source`); {_BY_HAND}")

    def _splits_folder(self):
        for folder in [self.source / self.splits] if self.splits else [self.source / SPLITS, self.source]:
            if next(folder.glob("*_test_split1.txt"), None):
                return folder
        raise InputError(f"no <class>_test_split1.txt in {self.source / (self.splits or SPLITS)}; {_BY_HAND}")

    def _split_files(self):
        """{(class, fold): path}."""
        files = sorted(self._splits_folder().glob("*_test_split?.txt"))
        names = ((re.fullmatch(r"(.+)_test_split([123])\.txt", path.name), path) for path in files)
        return {(match[1], int(match[2])): path for match, path in names if match}
