"""python docs/settings.py: writes docs/settings.md, every setting of a run, from the fields of r3d_jax/config.py."""

import dataclasses
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """# Settings

Every setting of a run. A configuration file in `configs/` states those that matter to it, and the command line
overrides any of them: `--config.train.batch_size=64`, a tuple as `--config.clip.train_sizes=128,160` (an empty one as
`'--config.train.remat=()'`), a switch as `--config.optim.nesterov` or `--noconfig.optim.nesterov`. A value of another
type, out of its range, or one that does not go with the others is refused before any video is read.

This page is written by `python docs/settings.py` from the fields of `r3d_jax/config.py` and of `ClipSpec`.
"""


def page() -> str:
    """The page in Markdown."""
    from r3d_jax.config import FREE, Config

    parts = [HEAD]
    for section in dataclasses.fields(Config):
        default = section.default_factory()
        summary = type(default).__doc__.strip().split("\n\n")[0]
        parts.append(f"## {section.name}\n\n{summary}\n")
        parts.append("| setting | default | range | meaning |\n| --- | --- | --- | --- |")
        parts += [_row(section.name, each, getattr(default, each.name)) for each in dataclasses.fields(default)]
        parts[-1] += "\n"
    listing = ", ".join(f"`{name}`" for name in FREE)
    parts.append(
        "## What may change when a run is resumed\n\n"
        "A run is resumed with the settings that it was started with; others are refused, and named. These may differ, "
        f"since they change neither the network nor any step already taken: {listing}. `train.epochs` may differ under "
        "`optim.schedule=multistep` only, where no earlier step depends on it."
    )
    return "\n".join(parts) + "\n"


def _row(section, field, default):
    cells = (f"`{section}.{field.name}`", f"`{_shown(default)}`", _range(field.metadata), field.metadata["meaning"])
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _shown(value):
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _range(allowed):
    if allowed["choices"]:
        return ", ".join(f"`{choice}`" for choice in allowed["choices"])
    low, high = allowed["low"], allowed["high"]
    if high is not None:
        return f"{low} to {high}"
    return "" if low is None else f"from {low}"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    (ROOT / "docs" / "settings.md").write_text(page(), encoding="utf-8")
