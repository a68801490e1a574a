from pathlib import Path

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.data import preparation
from r3d_jax.data.preparation import most_broken, prepare, report_left_out, report_missing, report_short, variant_of
from r3d_jax.errors import InputError
from r3d_jax.video.probe import probe

DATA = encode(frames_of(12, 48, 64))
KEPT = {"short_edge": 0, "key_every": 12, "measured": False}


def test_a_video_is_kept_as_it_is_or_re_encoded_and_measured_if_asked():
    _, (data, info, packet_index, effect) = prepare(lambda: DATA, **KEPT)
    assert data is DATA and info == probe(DATA)[0] and len(packet_index.seconds) == 12 and effect is None
    for measured in (False, True):
        _, (smaller, info, _, effect) = prepare(lambda: DATA, short_edge=24, key_every=4, measured=measured)
        assert (info.height, info.width) == (24, 32) and (effect is not None) == measured
    assert (effect.bytes_before, effect.bytes_after) == (len(DATA), len(smaller))


def test_a_file_that_cannot_be_read_gives_its_reason():
    def gone():
        raise FileNotFoundError(2, "No such file or directory", "v.avi")

    assert prepare(gone, **KEPT)[1] == "[Errno 2] No such file or directory: 'v.avi'"
    assert prepare(lambda: b"<html>", **KEPT)[1].startswith("not a video: ")


def test_what_is_kept_is_not_made_again_and_what_fails_is_not_kept(tmp_path, monkeypatch):
    for how in (KEPT, {**KEPT, "short_edge": 24, "measured": True}):
        kept = tmp_path / str(how["short_edge"])
        first = prepare(lambda: DATA, **how, kept=kept)
        with monkeypatch.context() as patch:
            patch.setattr(preparation, "probe", None)
            again = prepare(lambda: DATA, **how, kept=kept)
        assert again[0] == first[0] and again[1][:2] == first[1][:2] and again[1][3] == first[1][3]
        for found, expected in zip(again[1][2], first[1][2], strict=True):
            np.testing.assert_array_equal(found, expected)
        prepare(lambda: b"<html>", **how, kept=kept)
        assert len(list(kept.rglob("*.npz"))) == 1


def test_a_variant_is_a_folders_name_that_tells_settings_apart():
    source = Path("/videos/my own, 2")
    names = {variant_of(source), variant_of(source, 0.2), variant_of(source, 0.3), variant_of(Path("/other/my own, 2"))}
    assert len(names) == 4 and all(name.startswith("my_own__2-") and len(name) == 18 for name in names)
    assert variant_of(Path("/videos/mine"), 0.2, "", 0) == "mine-088e0c6c"  # prepared data sets are found by it


def test_what_is_not_there_is_counted(capsys):
    report_missing(0, 5, "split files", Path("/videos"))
    assert capsys.readouterr().out == ""
    report_missing(1234, 5678, "split files", Path("/videos"))
    assert capsys.readouterr().out == "1,234 of the 5,678 videos in the split files are not in /videos\n"
    with pytest.raises(InputError, match="none of the 5 videos in the split files is in /videos"):
        report_missing(5, 5, "split files", Path("/videos"))


def test_what_is_short_or_left_out_is_named(capsys):
    report_short([], 5)
    report_left_out([], 5, 0.0)
    assert capsys.readouterr().out == ""
    report_short([("a.avi", "3 decode of the 9 it declares")], 5)
    assert capsys.readouterr().out == "1 of 5 videos are cut short, and kept:\n  a.avi: 3 decode of the 9 it declares\n"
    report_left_out([("b.avi", "empty")], 5, 0.2)
    assert capsys.readouterr().out == "1 of 5 videos cannot be decoded and are left out:\n  b.avi: empty\n"
    with pytest.raises(InputError, match=r"4 of 50 .* more than the 3 that `max_broken` \(=0.02\) allows; .*\n  b.avi"):
        report_left_out([("b.avi", "empty")] * 4, 50, 0.02)
    with pytest.raises(InputError, match=r"none of the 1 videos can be decoded:\n  b.avi: empty"):
        report_left_out([("b.avi", "empty")], 1, 1.0)


def test_a_few_videos_may_always_fail_unless_none_may():
    assert [most_broken(total, 0.01) for total in (4, 90, 300, 1000)] == [3, 3, 3, 10]
    assert most_broken(90, 0) == 0 and most_broken(10, 1.0) == 10
