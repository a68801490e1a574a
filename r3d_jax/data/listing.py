"""Which videos a source holds, of which class and for which split: folders as people keep them, or a table."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from r3d_jax.data.multi_label import merge_rows
from r3d_jax.data.sources import some
from r3d_jax.errors import InputError
from r3d_jax.video.folder import SUFFIXES

TABLES = {".csv": ",", ".tsv": "\t"}
# What folders and cells of a table are called, in any case, and what for.
WORDS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validate", "validation", "dev"),
}
SPLIT_OF = {word: split for split, words in WORDS.items() for word in words}
_KNOWN = f"{', '.join(words[0] for words in WORDS.values())} (or {', '.join(WORDS['val'][1:])})"


class Entry(NamedTuple):
    """One video of the source.

    Attributes:
      name: `class/file`, or the path as a table gives it.
      path: of the file.
      label: the name of its class; where videos have several, the names of its classes.
      split: "train" or "test"; empty where the source does not say.
    """

    name: str
    path: Path
    label: str | tuple[str, ...]
    split: str


class Listing(NamedTuple):
    """The videos of a source, and a line on each thing of it that is left out or taken for something else."""

    entries: list[Entry]
    notes: list[str]


def read_source(source: Path, *, multi_label: bool = False) -> Listing:
    """The videos of a folder or a table, in an order that the source alone decides; no video is opened.

    Args:
      multi_label: whether a table gives a video several labels, or none, as `merge_rows` reads them.

    Raises:
      InputError: there is neither, it holds no video of any class, or it cannot be understood.
    """
    if source.suffix.lower() in TABLES:
        entries, notes = read_table(source, multi_label=multi_label)
        return Listing(merge_rows(entries, source) if multi_label else entries, notes)
    if not source.is_dir():
        raise InputError(f"no folder and no .csv or .tsv at {source} (`source`)")
    return read_folder(source)


def in_label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The different labels in alphabetical order, or in that of their numbers where all of them are numbers."""
    different = set(labels)
    return tuple(sorted(different, key=int if all(label.isdecimal() for label in different) else None))


def read_folder(folder: Path) -> Listing:
    """The videos of class folders in `folder`, or in its `train` and its `test` or, without a `test`, its `val`.

    Splits may be called as in WORDS, in any case. What lies deeper in a class's folder is of that class.

    Raises:
      InputError: no class folder has a video, two folders are for one split, or one of a split has videos of no class.
    """
    notes, splits = [], _split_folders(folder)
    used = {split: splits[split][0] for split in ("train", "test") if split in splits}
    if used:
        others = [path for path in _folders(folder) if path not in used.values()]
        left = [f"{path.name} ({count:,} videos)" for path in others if (count := len(_videos(path)))]
        if used["test"].name.lower() in WORDS["val"]:
            notes.append(f"{used['test'].name} is what is tested on, since there is no test beside it")
        notes += [f"left out beside {' and '.join(path.name for path in used.values())}: {some(left)}"] if left else []
    entries, empty = [], []
    for split, root in used.items() or [("", folder)]:
        of_split = []
        for each in _folders(root):
            videos = _videos(each)
            of_split += [Entry(f"{each.name}/{path.relative_to(each)}", path, each.name, split) for path in videos]
            empty += [] if videos else [str(each.relative_to(folder))]
        loose = sum(map(_is_video, root.iterdir()))
        if split and not of_split:
            raise InputError(
                f"{root} holds {f'{loose:,} videos' if loose else 'no video'} and no folder of a class with videos in "
                f"it: put them into one folder for each class or, to have some of the others held out, name "
                f"{used['train' if split == 'test' else 'test']} as `source`"
            )
        entries += of_split
        notes += [f"{loose:,} videos in {root} itself, not in a class's folder, are left out"] if loose else []
    if not entries:
        raise InputError(
            f"no videos in {folder}: it must hold a folder for each class with the videos in it, or `train` and `test` "
            f"with such folders, or be a .csv or .tsv; videos are called *{', *'.join(sorted(SUFFIXES))}"
        )
    notes += [f"no video in {some(empty)}: an empty folder is no class"] if empty else []
    return Listing(entries, notes)


def check_levels(entries: Sequence[Entry], folder: Path) -> None:
    """Refuses folders of folders of videos in which the lower ones seem to be the classes.

    They seem to where no class has a video of its own, but each in folders that are neither numbered nor found in
    another class as well, as those of recordings or of people would be; or where a class is called like a split.

    Raises:
      InputError: it is so; names what was seen and how it can be put.
    """
    below: dict[str, set[str]] = {}
    for entry in entries:
        first, *rest = Path(entry.name).parts
        if len(rest) < 2:
            return
        below.setdefault(first, set()).add(rest[0])
    lower = [name for names in below.values() for name in names]
    recordings = len(set(lower)) < len(lower) or all(any(map(str.isdigit, name)) for name in lower)
    if recordings and not SPLIT_OF.keys() & {name.lower() for name in below}:
        return
    seen = sorted({f"{first}/{name}" for first, names in below.items() for name in names})
    only = f"name {folder / next(iter(below))} as `source`, " if len(below) == 1 else ""
    raise InputError(
        f"{folder} must hold a folder for each class with its videos in it, but in {some(sorted(below))} there are "
        f"only further folders ({some(seen)}), and nothing says which are the classes: {only}move the classes' folders "
        "into one folder (or into `train` and `test`), or name a .csv of path and label"
    )


def read_table(path: Path, *, multi_label: bool = False) -> Listing:
    """The videos that a .csv or .tsv names by path and label and, if it likes, split: one of WORDS.

    Columns may have titles; without titles they stand in that order. Paths are relative to the table's folder. Videos
    for validation are for testing where there are no others for that, and are left out where there are.

    Args:
      path: of the table.
      multi_label: whether a row may have no label, and the title of the labels be `labels`; cells stay as they are.

    Raises:
      InputError: there is no table at `path`, it cannot be understood, or it names no video.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [row for row in csv.reader(file, delimiter=TABLES[path.suffix.lower()]) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table ({error})") from error
    titles = [title.strip().lower() for title in lines[0]] if lines else []
    titles = ["label" if multi_label and title == "labels" else title for title in titles]
    titled = {"path", "label"} <= set(titles)
    columns = titles if titled else ["path", "label", "split"]
    entries = []
    for number, line in enumerate(lines[titled:], start=1 + titled):
        cells = dict(zip(columns, map(str.strip, line)))
        word = cells.get("split", "")
        if not cells.get("path") or not ("label" in cells if multi_label else cells.get("label")):
            raise InputError(
                f"row {number} of {path} ({', '.join(line)}) must be a path, a label and, if anything, a split"
                + ("; several labels stand in one cell, with ; or | between them" if multi_label else "")
            )
        if word and word.lower() not in SPLIT_OF:
            raise InputError(
                f"row {number} of {path} ({', '.join(line)}) has the split {word!r}, which is none of {_KNOWN}; "
                "columns in another order need the titles path, label and split"
            )
        entries.append(
            Entry(cells["path"], path.parent / cells["path"], cells["label"], SPLIT_OF.get(word.lower(), ""))
        )
    if not entries:
        raise InputError(f"no videos in {path}; a row is a path and a label")
    return Listing(*_two_splits(entries, path))


def _two_splits(entries, path):
    """(the entries as of train and test, or of neither, what there is to tell of that)."""
    splits = {entry.split for entry in entries}
    if "" in splits and len(splits) > 1:
        raise InputError(f"{path} says of some videos whether they are for training or testing; it must of all or none")
    if splits != {""} and ("train" not in splits or len(splits) < 2):
        raise InputError(
            f"all videos of {path} are for {' and '.join(sorted(splits))}; it must name some for train and some for "
            "test, or have no splits, so that some are held out"
        )
    if "test" in splits:
        left = sum(entry.split == "val" for entry in entries)
        note = f"left out: {left:,} videos for validation, since {path.name} has others for testing"
        return [entry for entry in entries if entry.split != "val"], [note] if left else []
    note = ["val is what is tested on, since there is no test beside it"] if "val" in splits else []
    return [entry._replace(split="test") if entry.split == "val" else entry for entry in entries], note


def _split_folders(folder):
    """{"train" and "test": the folders that are called so, where there are both}."""
    found: dict[str, list[Path]] = {}
    for path in _folders(folder):
        if split := SPLIT_OF.get(path.name.lower()):
            found.setdefault(split, []).append(path)
    found["test"] = found.get("test") or found.pop("val", [])
    if not found.get("train") or not found["test"]:
        return {}
    for split in ("train", "test"):
        if len(found[split]) > 1:
            raise InputError(
                f"{folder} holds {' and '.join(path.name for path in found[split])}, and each could be its {split} "
                "split; leave one of them"
            )
    return found


def _folders(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _videos(folder):
    return [path for path in sorted(folder.rglob("*")) if _is_video(path)]


def _is_video(path):
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
