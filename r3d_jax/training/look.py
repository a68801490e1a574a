"""What the network is going to see: a picture of the first training clips of a configuration."""

from pathlib import Path

import numpy as np

from r3d_jax.config import Config, check
from r3d_jax.data.builder import split_rows
from r3d_jax.data.pipeline import read_ahead
from r3d_jax.data.sheet import draw_sheet, write_png
from r3d_jax.training.progress import say
from r3d_jax.training.task import clips_of, load_videos

CLIPS = 16


def look(config: Config, workdir: Path) -> int:
    """Writes `clips.png` in `workdir`, with clips exactly as training draws them; the exit status.

    Raises:
      InputError: something that the user can put right.
    """
    check(config, 1)
    videos = load_videos(config)
    batches = clips_of(config, videos, split_rows(videos, config.data.fold, "train"))
    count = -(-CLIPS // config.train.batch_size)
    read = list(read_ahead(batches.slice(slice(0, count)), workers=config.data.workers))
    clips = np.concatenate([batch["clip"] for batch in read])[:CLIPS]
    captions = [caption for batch in read for caption in _captions(batch, videos.class_names)]
    workdir.mkdir(parents=True, exist_ok=True)
    write_png(draw_sheet(clips, captions[:CLIPS]), workdir / "clips.png")
    say(f"{len(clips)} training clips, as the network sees them: {workdir / 'clips.png'}")
    return 0


def _captions(batch, class_names):
    names = [class_names[label] for label in batch["label"]]
    if "other" not in batch:
        return names
    mixed = zip(names, batch["other"], batch["share"])
    return [f"{share:.0%} {name}, {1 - share:.0%} {class_names[other]}" for name, other, share in mixed]
