"""Which videos seem to be cut from one recording: by names of one stem that end in running numbers."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

# What tells the cuts of a recording apart, at the end of their names: a number of at most five digits, with or without
# a word before it (`_c01`, ` part 2`, ` (3)`), or the two times of a Kinetics clip. Longer numbers are dates and times.
_WORD = r"(?:(?<=[\s_./\d-])(?:c|clip|cut|part|pt|seg|segment|scene|shot|chunk|take))?"
_NUMBER = re.compile(rf"[\s_.-]*(?:\d{{6}}_\d{{6}}|{_WORD}[\s_.-]*\(?(?<!\d)\d{{1,5}}\)?)$", re.IGNORECASE)
_DATE = re.compile(r"\d{4}[-_.]\d\d[-_.]\d\d$")


def recordings(names: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The recording that each video seems to be cut from; empty for those that seem to be by themselves.

    `v_Punch_g01_c02.avi` is of `v_Punch_g01`, and `2.avi` in a folder `take 1` of `take 1`. A class's names count where
    at least half of its videos share their stem with another one, and there are several stems: one for all of a class,
    as in `video_001`, tells nothing. Stems without a number in what tells them apart could as well be cameras
    (`IMG`, `MVI`): there must be at least three, and none of more than half of the class.

    Args:
      names: `class/file` of each video, or its path in a table.
      labels: the name of its class. A stem that is found in several classes is one recording.
    """
    stems = [_stem(name, label) for name, label in zip(names, labels)]
    of_class: dict[str, Counter] = {}
    for stem, label in zip(stems, labels):
        of_class.setdefault(label, Counter())[stem] += 1
    cut = {label for label, counts in of_class.items() if _seem_cut(counts)}
    return [stem if label in cut else "" for stem, label in zip(stems, labels)]


def _stem(name, label):
    path = PurePath(name)
    parts = path.parts[1:] if path.parts[0] == label else path.parts
    whole = str(PurePath(*parts[:-1], path.stem) if parts else path.stem)
    found = None if _DATE.search(whole) else _NUMBER.search(whole)
    return whole[: found.start()].rstrip("/\\") if found else whole


def _seem_cut(counts):
    videos = counts.total()
    shared = {stem: count for stem, count in counts.items() if count > 1 and stem}
    if len(counts) < 2 or 2 * sum(shared.values()) < videos:
        return False
    common = len(os.path.commonprefix(list(counts)).rstrip("0123456789"))  # noqa: RUF071  letter by letter it is
    numbered = all(any(map(str.isdigit, stem[common:])) for stem in shared)
    return numbered or (len(shared) >= 3 and 2 * max(shared.values()) <= videos)
