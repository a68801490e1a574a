"""Which videos are held out for testing where the source does not say: whole recordings, by a hash of their names."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from r3d_jax.data.listing import Entry
from r3d_jax.data.multi_label import stratify
from r3d_jax.data.recordings import recordings
from r3d_jax.data.sources import some
from r3d_jax.errors import InputError

SHARE = 0.2  # of each class


class Split(NamedTuple):
    """What each video is for.

    Attributes:
      groups: the recording that it is of, as a text.
      members: "train" or "test".
      notes: a line on what was made of the names, where something was.
    """

    groups: list[str]
    members: list[str]
    notes: list[str]


def split_of(
    entries: Sequence[Entry], *, share: float = SHARE, group: str = "", seed: int = 0, earlier: Mapping[str, str] = {}
) -> Split:
    """What each video is for, as the source says or, where it does not, as `hold_out` draws it.

    Without a `group`, names that look like cuts of one recording (`recordings`) are held out together.

    Args:
      share: of each class, from 0 to 1, that is held out.
      group: regular expression; videos in whose names it finds the same are of one recording.
      seed: of the draw.
      earlier: {name: "train" or "test"} as drawn before; these stay.

    Raises:
      InputError: `group` is no regular expression, or finds nothing in a name; a class whose videos are to be split has
        only one.
    """
    names, labels = [entry.name for entry in entries], [entry.label for entry in entries]
    given = [entry.split for entry in entries]
    if group:
        pattern = compiled(group)
        groups = [_found(pattern, name) for name in names]
        return Split(groups, given if all(given) else _drawn(groups, labels, share, seed, names, earlier), [])
    if all(given):
        return Split([str(entry.path) for entry in entries], given, [])
    cuts = recordings(names, [label if isinstance(label, str) else "" for label in labels])
    groups = [cut or name for cut, name in zip(cuts, names)]
    return Split(groups, _drawn(groups, labels, share, seed, names, earlier), [] if earlier else _told(cuts))


def hold_out(
    groups: Sequence[str], labels: Sequence[str], share: float, seed: int, earlier: Sequence[str] = ()
) -> list[str]:
    """Draws whole groups of videos for testing, about a `share` of each class: those whose hash is below it.

    The hash is that of the group's name and the seed, so that groups which are added later leave the others where they
    are. The number of a class's test videos is therefore that of a draw of each group by itself: with 50 videos and a
    share of 0.2, mostly between 5 and 15. Two corrections can move a group when others are added, unless `earlier` is
    given: a group that would bring more than half of a class (or the `share`, if that is more) there stays for
    training, and a class without a test video gets the group of the lowest hash.

    Args:
      groups: of each video; those of one group stay together.
      labels: the class of each video.
      share: of each class, from 0 to 1.
      seed: of the hash.
      earlier: for each video "train" or "test" as drawn before, which stays, or empty; others of its group follow it.

    Returns:
      "train" or "test" for each video.
    """
    earlier = list(earlier) or [""] * len(groups)
    whole, test = Counter(labels), Counter(label for label, side in zip(labels, earlier) if side == "test")
    inside: dict[str, Counter] = {group: Counter() for group in groups}
    sides: dict[str, Counter] = {group: Counter() for group in groups}
    for group, label, side in zip(groups, labels, earlier):
        if side:
            sides[group][side] += 1
        else:
            inside[group][label] += 1
    settled = {group: max(sorted(found)[::-1], key=found.get) for group, found in sides.items() if found}
    for group, side in settled.items():
        test += inside[group] if side == "test" else Counter()
    order = sorted((_uniform(group, seed), group) for group in inside if group not in settled)
    taken: set[str] = set()

    def take(group):
        if all(test[label] + count <= max(share, 0.5) * whole[label] for label, count in inside[group].items()):
            test.update(inside[group])
            taken.add(group)

    for place, group in order:
        if place < share:
            take(group)
    for label in sorted(whole):
        for _, group in order:
            if not test[label] and label in inside[group]:
                take(group)
    settled |= dict.fromkeys(taken, "test")
    return [side or settled.get(group, "train") for group, side in zip(groups, earlier)]


def compiled(group: str) -> re.Pattern:
    """The regular expression `group`.

    Raises:
      InputError: it is none.
    """
    try:
        return re.compile(group)
    except re.error as error:
        raise InputError(f"`group` (={group!r}) is no regular expression ({error})") from error


def _drawn(groups, labels, share, seed, names, earlier):
    before = [earlier.get(name, "") for name in names]
    if not isinstance(labels[0], str):
        return stratify(groups, labels, share, seed, before)
    if alone := sorted(label for label, count in Counter(labels).items() if count == 1):
        one, has = ("class", "has") if len(alone) == 1 else ("classes", "have")
        raise InputError(
            f"{len(alone):,} {one} ({some(alone)}) {has} one video only, which cannot be both for training and for "
            "testing; add videos, leave the class out, or say yourself what each video is for (folders `train` and "
            "`test`, or a .csv of path, label and split)"
        )
    return hold_out(groups, labels, share, seed, before)


def _uniform(group, seed):
    digest = hashlib.blake2b(f"{seed}|{group}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _found(pattern, name):
    found = pattern.search(name)
    if not found:
        raise InputError(f"`group` (={pattern.pattern!r}) finds nothing in {name}; every video needs a group")
    return "|".join(found.groups() or [found[0]])


def _told(cuts):
    counts = Counter(filter(None, cuts))
    if not counts:
        return []
    (stem, most), videos = counts.most_common(1)[0], counts.total()
    return [
        f"the names of {videos:,} videos look like cuts of {len(counts):,} recordings ({stem}: {most:,}), which are "
        "held out whole; if they are none, set `group` ('.+': each video by itself)"
    ]
