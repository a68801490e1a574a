from functools import partial

import pytest
from videos import encode, frames_of

from r3d_jax.data.hmdb51 import HMDB51
from r3d_jax.data.sampling import split_rows

VIDEO = encode(frames_of(6))
CLASSES = ("brush_hair", "kick")


@pytest.fixture
def source(tmp_path):
    """Two classes of three videos; in fold k, video k is for testing and the one after it unused."""
    folder = tmp_path / "hmdb"
    for action in CLASSES:
        lines = {fold: [] for fold in (1, 2, 3)}
        for i in (1, 2, 3):
            path = folder / "hmdb51_org" / action / f"A clip {i}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(VIDEO)
            for fold, rows in lines.items():
                rows.append(f"A clip {i}.avi {2 if i == fold else 0 if i == fold % 3 + 1 else 1} ")
        for fold, rows in lines.items():
            path = folder / "testTrainMulti_7030_splits" / f"{action}_test_split{fold}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\r\n".join([*rows, ""]))
    return folder


@pytest.fixture
def builder(tmp_path):
    return partial(HMDB51, data_dir=str(tmp_path / "prepared"))


def test_three_folds_of_training_test_and_unused_videos(source, builder):
    videos = builder(source=str(source)).load()
    assert videos.class_names == CLASSES and len(videos.records) == 6
    for fold in (1, 2, 3):
        for split, number in (("test", fold), ("train", (fold + 1) % 3 + 1)):
            names = videos.index["name"][split_rows(videos, fold, split)].tolist()
            assert names == [f"{action}/A clip {number}.avi" for action in CLASSES]
    assert videos.index["label"].tolist() == [0, 0, 0, 1, 1, 1]


def test_splits_may_lie_elsewhere_and_missing_videos_are_counted(source, builder, capsys):
    (source / "testTrainMulti_7030_splits").rename(source.parent / "lists")
    (source / "hmdb51_org/kick/A clip 1.avi").unlink()
    videos = builder(source=str(source / "hmdb51_org"), splits=str(source.parent / "lists")).load()
    assert len(videos.records) == 5
    assert "1 of the 6 videos in the split files are not in" in capsys.readouterr().out


def test_a_changed_source_is_noticed_and_one_that_is_gone_is_not_missed(source, builder):
    builder(source=str(source)).load()
    (source / "hmdb51_org/kick/A clip 1.avi").write_bytes(VIDEO + b"0")
    with pytest.raises(ValueError, match="have changed since"):
        builder(source=str(source)).load()
    source.rename(source.with_name("moved"))
    assert len(builder(source=str(source)).load().records) == 6


def test_what_is_missing_or_not_understood_is_told(source, builder, tmp_path):
    with pytest.raises(ValueError, match=r"HMDB-51 is not downloaded: unpack .* and name it as `source`"):
        builder(source="")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no <class>_test_split1.txt in .*empty"):
        builder(source=str(tmp_path / "empty")).load()
    lists = source / "testTrainMulti_7030_splits"
    with pytest.raises(ValueError, match=r"no <class>/\*.avi in .*empty .`source`.; unpack"):
        builder(source=str(tmp_path / "empty"), splits=str(lists)).load()
    (lists / "kick_test_split2.txt").write_text("A clip 1.avi 3\n")
    with pytest.raises(ValueError, match=r"kick_test_split2.txt must have lines like .* not 'A clip 1.avi 3'"):
        builder(source=str(source)).load()
