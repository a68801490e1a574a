import runpy
from pathlib import Path

import cv2
import numpy as np

from r3d_jax.data.sheet import draw_sheet
from r3d_jax.training.look import look

TINY = Path(__file__).parents[1] / "tiny.py"


def test_a_sheet_shows_every_frame_of_every_clip(rng):
    clips = rng.integers(0, 256, (3, 4, 20, 24, 3), np.uint8)
    sheet = draw_sheet(clips, ["one", "two", "three"])
    heights = len(sheet) // 3
    for clip, top in zip(clips, range(0, len(sheet), heights)):
        for i, frame in enumerate(clip):
            part = sheet[top : top + heights, i * 26 : i * 26 + 24]
            assert any(np.array_equal(part[row : row + 20], frame) for row in range(heights - 19))
        caption = sheet[top : top + heights - 22]
        assert caption.min() < 128  # something is written


def test_a_configurations_first_training_clips_are_drawn(demo_videos, data_dir, tmp_path, capsys):
    config = runpy.run_path(str(TINY))["get_config"]()
    config.data.data_dir = str(data_dir)
    config.augment.cutmix, config.augment.operations = 1.0, 2
    assert look(config, tmp_path / "run") == 0
    picture = cv2.imread(str(tmp_path / "run" / "clips.png"))
    assert picture.shape == (16 * (16 + 18), 4 * 18 - 2, 3)
    assert "16 training clips, as the network sees them: " in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["clips.png"]
