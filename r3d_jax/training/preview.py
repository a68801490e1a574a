"""What the network is going to see: a contact sheet of the first training clips of a configuration."""

from pathlib import Path

import numpy as np

from r3d_jax.config import Config
from r3d_jax.config_check import check
from r3d_jax.data.batches import read_ahead
from r3d_jax.data.contact_sheet import draw_sheet, write_png
from r3d_jax.training.from_config import load_videos, make_train_batches
from r3d_jax.training.logs import say

CLIPS = 16


def preview(config: Config, workdir: Path) -> int:
    """Writes `clips.png` in `workdir`, with clips exactly as training draws them; the exit status.

    Raises:
      InputError: settings that cannot work, or unusable data.
    """
    check(config, 1)
    videos = load_videos(config)
    batches = make_train_batches(config, videos)
    count = -(-CLIPS // config.train.batch_size)
    read = list(read_ahead(batches, stop=count, workers=config.data.workers))
    clips = np.concatenate([batch["clip"] for batch in read])[:CLIPS]
    captions = [caption for batch in read for caption in _captions(batch, videos.class_names)]
    write_png(draw_sheet(clips, captions[:CLIPS]), workdir / "clips.png")
    say(f"{len(clips)} training clips, as the network sees them: {workdir / 'clips.png'}")
    return 0


def _captions(batch, class_names):
    names = [_told(label, class_names) for label in batch["label"]]
    if "other" not in batch:
        return names
    mixed = zip(names, batch["other"], batch["weight"])
    return [f"{weight:.0%} {name}, {1 - weight:.0%} {_told(other, class_names)}" for name, other, weight in mixed]


def _told(label, class_names):
    """The name of a clip's class, or of several the names."""
    return class_names[label] if label.ndim == 0 else "; ".join(np.array(class_names)[label > 0]) or "no class"
