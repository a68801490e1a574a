import base64

import cv2
import numpy as np

from r3d_jax.inference.overlay import as_url, middle_frames, overlay, overlay_one


def test_heat_is_painted_where_the_map_is_high_and_nowhere_else():
    frames = np.full((2, 16, 16, 3), 100, np.uint8)
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 0, 0] = 3.0
    painted = overlay(frames, maps, highest=3.0).astype(int)
    assert (painted[:, 8:, 8:] == 100).all()
    assert painted[0, 0, 0, 0] > 100 > painted[0, 0, 0, 2]  # red
    faint = overlay(frames, maps, highest=300.0).astype(int)
    assert np.abs(faint - 100).max() < 10
    assert (overlay(frames, 0 * maps, highest=0.0) == 100).all()


def test_maps_are_stretched_in_time_as_well():
    frames = np.full((4, 8, 8, 3), 100, np.uint8)
    maps = np.stack([np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)])
    change = np.abs(overlay(frames, maps, highest=1.0).astype(int) - 100).sum((1, 2, 3))
    assert change[0] == 0 < change[1] < change[2] < change[3]


def test_one_frame_is_that_of_its_place_among_all(rng):
    frames, maps = rng.integers(0, 256, (5, 8, 8, 3), np.uint8), rng.random((2, 3, 3), np.float32)
    painted = overlay(frames, maps, highest=1.0)
    assert all((overlay_one(frames, i, maps, highest=1.0) == painted[i]).all() for i in range(5))


def test_middle_frames_of_all_views_are_on_one_scale(rng):
    views = rng.integers(0, 256, (2, 3, 8, 8, 3), np.uint8)
    maps = np.stack([np.full((1, 2, 2), 4.0, np.float32), np.full((1, 2, 2), 1.0, np.float32)])
    strong, weak = middle_frames(views, maps)
    assert (strong == overlay_one(views[0], 1, maps[0], highest=4.0)).all()
    assert (weak == overlay_one(views[1], 1, maps[1], highest=4.0)).all()
    assert (weak != overlay_one(views[1], 1, maps[1], highest=1.0)).any()


def test_an_address_holds_the_picture():
    picture = np.zeros((16, 24, 3), np.uint8)
    picture[..., 0] = 200  # red
    kind, _, data = as_url(picture).partition(",")
    assert kind == "data:image/jpeg;base64"
    found = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert found.shape == picture.shape and np.abs(found.astype(int) - picture).max() < 12
