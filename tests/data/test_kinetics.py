from functools import partial

import pytest
from videos import encode, frames_of

from r3d_jax.data.kinetics import Kinetics
from r3d_jax.data.sampling import split_rows

VIDEO = encode(frames_of(6), codec="libx264", container="mp4")
TITLES = "label,youtube_id,time_start,time_end,split\n"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "kinetics"
    for name in ("train/abseiling/-abc_000012_000022.mp4", "train/yoga/xyz.mp4", "val/yoga_v_000003_000013.mkv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(VIDEO)
    rows = "abseiling,-abc,12,22,train\nyoga,xyz,5.0,15.0,train\nyoga,gone,5,15,train\n"
    (folder / "train.csv").write_text(TITLES + rows)
    (folder / "validate.csv").write_text(TITLES + "yoga,yoga_v,3,13,validate\n")
    (folder / "test.csv").write_text("youtube_id,time_start,time_end\nsecret,1,11\n")
    return folder


@pytest.fixture
def builder(tmp_path):
    return partial(Kinetics, data_dir=str(tmp_path / "prepared"))


def names_in(videos, split):
    return videos.index["name"][split_rows(videos, 1, split)].tolist()


def test_validation_clips_are_for_testing_and_missing_ones_counted(source, builder, capsys):
    videos = builder(source=str(source)).load()
    assert videos.class_names == ("abseiling", "yoga")
    assert names_in(videos, "train") == ["-abc_000012_000022.mp4", "xyz.mp4"]
    assert names_in(videos, "test") == ["yoga_v_000003_000013.mkv"]
    assert videos.index["label"].tolist() == [0, 1, 1]
    assert "1 of the 4 videos in the annotations are not in" in capsys.readouterr().out


def test_annotations_may_lie_elsewhere_and_changes_are_noticed(source, builder):
    lists = source.parent / "lists"
    lists.mkdir()
    for name in ("train.csv", "validate.csv"):
        (source / name).rename(lists / name)
    load = partial(builder, source=str(source), splits=str(lists))
    assert len(load().load().records) == 3
    (lists / "train.csv").write_text(TITLES + "abseiling,-abc,12,22,train\n")
    with pytest.raises(ValueError, match="have changed since"):
        load().load()


def test_what_is_missing_or_not_understood_is_told(source, builder):
    with pytest.raises(ValueError, match="name the folder of its clips as `source`"):
        builder(source="")
    (source / "validate.csv").rename(source / "holdout.csv")
    with pytest.raises(ValueError, match=r"no val.csv in .*; name the annotations' folder as `splits`"):
        builder(source=str(source)).load()
    (source / "val.csv").write_text(TITLES + "yoga,yoga_v,three,13,validate\n")
    with pytest.raises(ValueError, match=r"val.csv: yoga_v has no times in seconds"):
        builder(source=str(source)).load()
    (source / "val.csv").write_text("label,id\n")
    with pytest.raises(ValueError, match=r"val.csv must have the columns label, time_end, time_start, youtube_id"):
        builder(source=str(source)).load()


def test_annotations_of_other_clips_are_refused(source, builder):
    for name in ("train.csv", "validate.csv"):
        (source / name).write_text(TITLES + "yoga,other,3,13,x\n")
    with pytest.raises(ValueError, match="none of the 2 videos in the annotations is in"):
        builder(source=str(source)).load()
