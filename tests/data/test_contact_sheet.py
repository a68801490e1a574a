import cv2
import numpy as np

from r3d_jax.data.contact_sheet import draw_sheet, write_png


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


def test_a_picture_is_written_as_it_is(rng, tmp_path):
    image = rng.integers(0, 256, (5, 7, 3), np.uint8)
    write_png(image, tmp_path / "clips.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "clips.png"))[..., ::-1], image)
    assert [path.name for path in tmp_path.iterdir()] == ["clips.png"]
