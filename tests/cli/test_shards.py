import json

import pytest


@pytest.fixture
def listed(folder, tmp_path):
    file = tmp_path / "videos.txt"
    file.write_text("\n".join(str(folder / f"{name}.avi") for name in ("v0", "gone", "v2")) + "\n")
    return file


def rows(folder):
    return [json.loads(line) for path in sorted(folder.glob("p-*")) for line in path.read_text().splitlines()]


def test_a_list_becomes_shards_and_those_that_are_there_are_not_done_again(run, source, listed, tmp_path, capsys):
    out = tmp_path / "out" / "p"
    how = ("predict", source, "--list", listed, "--out", out, "--shards=2", "--top=2")
    assert run(*how)[0] == 1
    first, last = sorted(out.parent.glob("p-*"))
    assert last.name == "p-00001-of-00002.jsonl" and [len(row.get("top", [])) for row in rows(out.parent)] == [2, 0, 2]
    assert rows(out.parent)[1]["error"] == "no such file"
    first.write_text('{"video": "kept"}\n')
    last.unlink()
    status, printed = run(*how)
    assert status == 1 and printed.splitlines()[0] == str(last) and "predictions of 3 videos" in printed
    assert rows(out.parent)[0] == {"video": "kept"} and last.exists()
    assert "is of other predictions (top)" in run(*how[:-1], "--top=1")[0]


@pytest.mark.slow
def test_on_beam_rows_are_the_same(run, source, listed, tmp_path):
    how = ("predict", source, "--list", listed, "--shards=2")
    for name, runner in (("plain", ()), ("beam", ("--runner=DirectRunner", "--direct_num_workers=1"))):
        assert run(*how, "--out", tmp_path / name / "p", *runner)[0] == 1
    for found, expected in zip(rows(tmp_path / "beam"), rows(tmp_path / "plain"), strict=True):
        pairs, likeliest = found.pop("top", []), expected.pop("top", [])
        assert found == expected and [pair["class"] for pair in pairs] == [pair["class"] for pair in likeliest]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--runner=DirectRunner"], "error: --runner is of files that are written: name them with --out"),
        (["--shards=3"], "error: --shards is of files that are written"),
        (["--format=parquet"], "error: --format parquet is of files that are written"),
        (["--out=p", "--format=csv"], "error: --out is written as json or parquet, not as csv"),
        (["--out=p", "--timeline"], "error: --out is written as json or parquet, not as a timeline"),
        (["--list=gone.txt"], "error: [Errno 2] No such file or directory: 'gone.txt'"),
    ],
)
def test_what_does_not_go_together_is_refused(run, source, flags, message):
    assert run("predict", source, "v.avi", *flags)[0].startswith(message)


def test_a_list_that_is_no_text_is_refused(run, source, tmp_path):
    (tmp_path / "list").write_bytes(b"\xff\xfe")
    assert "is no list of videos, one a line" in run("predict", source, "--list", tmp_path / "list")[0]
