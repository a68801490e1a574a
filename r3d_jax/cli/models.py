"""`r3d_jax models`: the published networks that can be loaded by their names."""

import json
import sys
from dataclasses import asdict

from r3d_jax.cli.flags import Flags

TEXT = "Lists the published networks that every command takes by name, with their accuracy, cost and licence."
TITLES = ("name", "classes", "top-1", "clip", "views", "GMACs", "MB", "licence")


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax models` to its parser."""
    flags.add_argument(
        "--format",
        choices=("table", "json"),
        default="",
        help="form of what is printed; default: a table on a terminal, JSON lines elsewhere",
    )


def call(format) -> int:
    """Prints a line for each network; the exit status."""
    from r3d_jax.weights.published import list_models

    kind = format or ("table" if sys.stdout.isatty() else "json")
    found = list_models()
    print("\n".join(table(found) if kind == "table" else map(as_json, found)))
    return 0


def table(found) -> list[str]:
    """The lines of a table to read, of at most 100 columns, with its titles and what has to be known of it.

    Args:
      found: networks as `list_models` gives them.
    """
    rows = [TITLES, *map(_cells, found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(TITLES))]
    right = {TITLES.index(title) for title in ("top-1", "GMACs", "MB")}
    lines = [
        "  ".join(f"{cell:{'>' if i in right else '<'}{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    notes = [f"{each.name}: {each.note}" for each in found if each.note]
    return [
        *lines,
        "",
        "top-1: video-level accuracy in per cent as the publisher tells it, not measured here.",
        "clip: frames x stride @edge in pixels. views: clips of a video x crops of each.",
        "GMACs: a thousand million multiply-adds of one view. MB: of the file, about.",
        "licence: the publishing project's. classes -: numbered, since their names are not published.",
        *notes,
    ]


def as_json(published) -> str:
    """A network as one line of JSON, with all that is known of it."""
    return json.dumps(published._asdict() | {"clip": asdict(published.clip)}, ensure_ascii=False)


def _cells(each):
    clip, (time, edge, _) = each.clip, each.view
    return (
        each.name,
        each.classes.replace("something_something", "something") or "-",
        "-" if each.top1 is None else f"{each.top1:.2f}",
        f"{time}x{clip.stride}@{edge}",
        f"{clip.views}x{clip.crops}",
        f"{each.multiply_adds / 1e9:.2f}",
        f"{each.parameters * 4 / 1e6:.0f}",
        each.licence,
    )
