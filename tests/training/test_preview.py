import runpy
from pathlib import Path

import matplotlib.image
import numpy as np

from r3d_jax.training.from_config import make_train_batches
from r3d_jax.training.preview import preview

TINY = Path(__file__).parents[1] / "tiny.py"


def test_the_contact_sheet_shows_the_clips_that_training_draws(demo_videos, data_dir, tmp_path, capsys):
    config = runpy.run_path(str(TINY))["get_config"]()
    config.data.data_dir = str(data_dir)
    assert preview(config, tmp_path / "run") == 0
    assert f"16 training clips, as the network sees them: {tmp_path / 'run' / 'clips.png'}" in capsys.readouterr().out
    picture = np.round(255 * matplotlib.image.imread(tmp_path / "run" / "clips.png")).astype(np.uint8)
    first = make_train_batches(config, demo_videos)[0]["clip"][0]  # below a caption of 16 pixels, 2 between the frames
    for i, frame in enumerate(first):
        np.testing.assert_array_equal(picture[16:32, 18 * i : 18 * i + 16], frame)


def test_mixed_clips_are_captioned_with_both_classes(demo_videos, data_dir, tmp_path, monkeypatch):
    config = runpy.run_path(str(TINY))["get_config"]()
    config.data.data_dir, config.augment.cutmix = str(data_dir), 1.0
    captions = []
    monkeypatch.setattr(
        "r3d_jax.training.preview.draw_sheet",
        lambda clips, texts: captions.extend(texts) or np.zeros((4, 4, 3), np.uint8),
    )
    preview(config, tmp_path)
    batch = make_train_batches(config, demo_videos)[0]
    weight, label, other = (batch[name][0] for name in ("weight", "label", "other"))
    names = demo_videos.class_names
    assert captions[0] == f"{weight:.0%} {names[label]}, {1 - weight:.0%} {names[other]}" and len(captions) == 16


def test_a_batch_size_that_is_left_open_is_chosen(data_dir, demo_videos, tmp_path, capsys):
    config = runpy.run_path(str(TINY))["get_config"]()
    config.data.data_dir, config.train.batch_size = str(data_dir), 0
    assert preview(config, tmp_path) == 0 and "16 training clips" in capsys.readouterr().out
