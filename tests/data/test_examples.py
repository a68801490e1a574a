from pathlib import Path

from videos import encode, frames_of

from r3d_jax.data.examples import examples, new_notes
from r3d_jax.data.preparation import VideoFile
from r3d_jax.video.probe import probe

DATA = encode(frames_of(12))
INFO, PACKETS = probe(DATA)


def file(name, *folds):
    return VideoFile(name, 3, 7, folds, lambda: DATA, Path(name))


def test_records_come_in_order_and_what_is_wrong_is_noted():
    files = [file("a.avi", "train", "none"), file("b.avi", "test", "train"), file("c.avi", "test", "test")]
    short = INFO._replace(declared_frames=20)
    found = [("d1", (DATA, INFO, PACKETS, None)), ("", "gone"), ("d3", (DATA, short, PACKETS, None))]
    notes = new_notes()
    made = list(examples(files, found, notes))
    keys = [key for key, _ in made]
    assert keys == sorted(keys) and keys[-1] > 2**120  # spread over the range that TFDS sorts by
    assert [each["name"] for _, each in made] == ["a.avi", "c.avi"] == [row["name"] for row in notes.index]
    first = made[0][1]
    assert (first["video"], first["label"], first["group"], first["fold1"]) == (DATA, 3, 7, "train")
    assert first["num_frames"] == 12 and first["packets"] is PACKETS.packets
    assert notes.left_out == [("b.avi", "gone")] and notes.videos == ["d1", "d3"]
    assert notes.digests == {Path("a.avi"): "d1", Path("b.avi"): "", Path("c.avi"): "d3"}
    assert notes.short == [("c.avi", "12 decode of the 20 it declares")]
