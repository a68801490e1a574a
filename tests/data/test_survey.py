import pytest

from r3d_jax.data.survey import survey
from r3d_jax.video.probe import VideoInfo

INFO = VideoInfo(8, 8, 25.0, 16, 20)


@pytest.fixture
def found(tmp_path):
    """A function of names of files, and of their digests where they are not their own: what `survey` says of them."""

    def of(*names, digests=(), broken=(), rates=()):
        read = {}
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            info = None if name in broken else INFO._replace(frame_rate=dict(rates).get(name, 25.0))
            read[path] = dict(digests).get(name, name), info
        return survey(tmp_path, read, frames=8, stride=1)

    return of


SPLIT = [f"{split}/{label}/{i}.mp4" for split in ("train", "val") for label in ("run", "sit") for i in range(3)]


def test_a_sound_folder_has_its_table_and_no_fault(found):
    facts, faults = found(*SPLIT)
    assert faults == [] and facts == [
        "class      training  test",
        "run               3     3",
        "sit               3     3",
        "2 classes         6     6",
        "always answering run, the largest class, would be right for 50.00% of the test videos",
        "val is what is tested on, since there is no test beside it",
    ]


def test_what_training_would_hold_out_is_counted(found):
    facts, faults = found(*(f"{label}/rec{i}_{j}.avi" for label in ("run", "sit") for i in range(3) for j in range(4)))
    assert faults == [] and "no split of its own: about 20% of each class would be held out" in facts
    assert any(line.startswith("the names of 24 videos look like cuts of 3 recordings (rec0: 8)") for line in facts)
    train, test = map(int, facts[3].split()[-2:])
    assert train + test == 24 and train % 8 == 0 and test


def test_faults_are_told(found):
    names = [*SPLIT, "train/Sit/9.mp4"]
    digests = {"train/run/0.mp4": "x", "val/run/1.mp4": "x"}
    _, faults = found(*names, digests=digests, broken=["val/sit/0.mp4", "val/sit/1.mp4", "val/sit/2.mp4"])
    assert faults == [
        "2 of 3 classes have no test video (Sit, sit): no accuracy speaks of them",
        "classes differ in case or blanks alone: 'Sit' and 'sit'; call them the same",
        "1 video is both in training and in test: the accuracy counts what was trained on; remove one of each "
        "(train run/0.mp4 = test run/1.mp4)",
    ]


def test_uneven_classes_and_mixed_rates_are_no_faults(found):
    names = [*SPLIT, *(f"train/run/more{i}.mp4" for i in range(7))]
    facts, faults = found(*names, rates={names[0]: 50.0})
    assert faults == [] and any(line.startswith("classes are uneven, 3.33 to 1") for line in facts)
    assert any(line.startswith("frame rates differ, from 25 to 50 a second") for line in facts)


def test_folders_that_training_would_refuse_are_a_fault(found):
    assert found("sports/Jump/a.mp4", "other/Sit/b.mp4")[1][0].count("(other/Sit, sports/Jump)") == 1


def test_videos_without_folders_are_for_prediction(found):
    assert found("a.mp4", "b.mp4") == (["no folders of classes: videos to predict, not to train on"], [])
    assert found("run/a.mp4", "run/b.mp4", broken=["run/a.mp4", "run/b.mp4"]) == ([], [])


def test_one_class_is_none_to_tell_from_others(found):
    assert found("run/1.mp4", "run/2.mp4")[1] == [
        "all videos are of one class (run), and a network learns to tell classes apart"
    ]
