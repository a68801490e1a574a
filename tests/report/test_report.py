"""The report of a run, as files and in a browser."""

import csv
import importlib.util
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.by import By

from r3d_jax.errors import InputError
from r3d_jax.report import report as module
from r3d_jax.report.charts import confusion_svg
from r3d_jax.report.report import report
from r3d_jax.training.metrics_log import read

DASH = "\N{EN DASH}"


def tiny_config(data_dir, **changes):
    path = Path(__file__).parents[1] / "tiny.py"
    spec = importlib.util.spec_from_file_location("tiny", path)
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    config = tiny.get_config()
    config.data.data_dir = str(data_dir)
    for name, value in changes.items():
        section, field = name.split("__")
        setattr(getattr(config, section), field, value)
    return config


@pytest.fixture(scope="module")
def reported(tiny_run, data_dir, tmp_path_factory):
    """(folder, what was printed) of a report on more test videos than the run was tested on."""
    run = tmp_path_factory.mktemp("report") / "<run> & co"
    shutil.copytree(tiny_run[0], run)
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", printed)
        assert report(tiny_config(data_dir, eval__videos=21, clip__views=3), run) == 0
    return run, printed.getvalue()


def test_the_numbers_are_those_of_the_runs_own_test(tiny_run, data_dir, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(tiny_run[0], run)
    assert report(tiny_config(data_dir), run) == 0
    printed = capsys.readouterr().out
    last = [row for row in read(run) if row["kind"] == "eval"][-1]
    for level in ("video", "clip"):
        for k in (1, 5):
            expected = f"{level}-level top-{k} {last[f'{level}_top{k}']:.2%} (95 % interval"
            assert expected in printed, (expected, printed)
        assert f"of {last[f'{level}s']:,} {level}s" in printed
    assert float(re.search(r"loss ([\d.]+)", printed)[1]) == pytest.approx(last["loss"], abs=2e-4)


def test_another_number_of_views_than_in_training_is_told(reported):
    assert "clip.views: 2 in training, 3 now" in reported[1]


def test_every_video_is_in_the_table(reported):
    run, _ = reported
    rows = predictions(run)
    assert len(rows) == 21 and len({row["video"] for row in rows}) == 21
    for row in rows:
        top = [float(row[f"probability{i}"]) for i in range(1, 6)]
        assert top == sorted(top, reverse=True) and not row["missing"]
        rank = int(row["rank_of_label"])
        if rank <= 5:
            assert row[f"class{rank}"] == row["label"]
            assert row[f"probability{rank}"] == row["probability_of_label"]
    right = np.mean([row["class1"] == row["label"] for row in rows])
    assert f"video-level top-1 {right:.2%}" in reported[1]


def predictions(run):
    return list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))


def opened(browser, run):
    browser.get((run / "report.html").absolute().as_uri())
    return browser


def texts(browser, selector):
    return [each.text for each in browser.find_elements(By.CSS_SELECTOR, selector)]


def test_the_page_opens_without_a_network_and_asks_for_nothing(reported, browser):
    browser.get_log("browser")
    page = opened(browser, reported[0])
    asked = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in asked if not name.startswith("data:")] == []
    pictures = page.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(pictures) > 10 and min(pictures) > 0
    assert browser.get_log("browser") == []
    assert page.find_element(By.TAG_NAME, "h1").text == "<run> & co on demo"


def test_the_page_says_what_was_printed_and_what_the_table_says(reported, browser):
    page, rows = opened(browser, reported[0]), predictions(reported[0])
    right = sum(row["class1"] == row["label"] for row in rows)
    tiles = texts(page, ".tile")
    assert tiles[0].startswith(f"video-level top-1\n{100 * right / 21:.2f} %") and "of 21 videos" in tiles[0]
    assert "of 63 clips" in tiles[2]
    wrong = sorted((row for row in rows if row["class1"] != row["label"]), key=lambda row: -float(row["probability1"]))
    told = [text.partition(":")[0] for text in texts(page, ".video p")]
    shown = min(len(wrong), 12)
    assert told[:shown] == [row["video"] for row in wrong[:shown]]
    counts = texts(page, "#confusion .count")
    assert sum(map(int, counts)) == 21
    assert len(page.find_elements(By.CSS_SELECTOR, "#confusion rect.right title")) == len(
        {row["label"] for row in rows if row["class1"] == row["label"]}
    )


def test_a_click_on_a_heading_sorts_by_it_and_another_turns_it_round(reported, browser):
    page = opened(browser, reported[0])

    def column(place):
        return texts(page, f"#classes tbody td:nth-child({place})")

    def click(place):
        page.execute_script(f"document.querySelectorAll('#classes th button')[{place - 1}].click()")

    names = column(1)
    assert len(names) == 8 and names != sorted(names)
    click(1)
    assert column(1) == sorted(names)
    click(1)
    assert column(1) == sorted(names, reverse=True)
    click(4)
    recall = [float(text.split()[0]) for text in column(4)]
    assert recall == sorted(recall, reverse=True)
    click(4)
    assert [float(text.split()[0]) for text in column(4)] == recall[::-1]
    assert sorted(column(1)) == sorted(names)
    heading = page.find_element(By.CSS_SELECTOR, "#classes th:nth-child(4)")
    assert heading.get_attribute("aria-sort") == "ascending"
    # What has no value stays at the end, either way.
    click(7)
    unknown = column(7).count(DASH)
    assert column(7)[8 - unknown :] == [DASH] * unknown
    click(7)
    assert column(7)[8 - unknown :] == [DASH] * unknown


def test_missing_videos_are_named(demo_videos, tiny_run, data_dir, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(tiny_run[0], run)
    bad = int(np.flatnonzero(demo_videos.index["name"] == "v_walk_right_g05_c00.avi")[0])

    class Damaged:
        def __getitem__(self, row):
            record = demo_videos.records[row]
            return record | {"video": b"gone"} if row == bad else record

    monkeypatch.setattr(module, "load_videos", lambda _: demo_videos._replace(records=Damaged()))
    assert report(tiny_config(data_dir, eval__videos=0), run) == 0
    assert "1 test videos cannot be read and are not counted" in capsys.readouterr().out
    last = predictions(run)[-1]
    assert last["video"] == "v_walk_right_g05_c00.avi" and last["label"] == "walk_right" and last["missing"]
    page = (run / "report.html").read_text()
    assert '<ul id="missing"><li>v_walk_right_g05_c00.avi: ' in page and "127 test videos (1 missing)" in page


def test_a_converted_network_is_tested_without_a_run(tiny_run, data_dir, tmp_path):
    from r3d_jax.weights.convert import convert

    convert(tiny_run[0], tmp_path / "tiny.safetensors")
    config = tiny_config(data_dir, finetune__source=str(tmp_path / "tiny.safetensors"))
    assert report(config, tmp_path / "new") == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"report.html", "predictions.csv"}


def test_no_run_and_a_run_without_a_checkpoint(tiny_run, data_dir, tmp_path):
    with pytest.raises(InputError, match=r"no run in .*nowhere; train one .*--workdir.*finetune.source"):
        report(tiny_config(data_dir), tmp_path / "nowhere")
    for name in ("config.json", "classes.txt", "network.json"):
        shutil.copy(tiny_run[0] / name, tmp_path)
    with pytest.raises(InputError, match=r"has no checkpoint yet; train it with main.py"):
        report(tiny_config(data_dir), tmp_path)


@pytest.mark.parametrize(
    "names, message",
    [
        (("a",) * 7, "the network tells 7 classes apart, but demo has 8; test it on"),
        (("run", *"bcdefgh"), "class 1 of the network is 'run', of demo 'walk_right'; name the classes as the data"),
    ],
)
def test_other_classes_than_the_datas_are_refused(tiny_run, data_dir, tmp_path, monkeypatch, names, message):
    network = module.load(tiny_run[0])._replace(class_names=names)
    monkeypatch.setattr(module, "load", lambda *_: network)
    run = tmp_path / "run"
    shutil.copytree(tiny_run[0], run)
    with pytest.raises(InputError, match=message):
        report(tiny_config(data_dir), run)


def test_a_class_list_of_another_length_is_refused(tiny_run, data_dir, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run[0], run)
    (run / "classes.txt").write_text("walk\nrun\n")
    with pytest.raises(InputError, match=r"classes.txt names 2 classes, but the head has 8"):
        report(tiny_config(data_dir), run)


def test_several_processes_are_refused(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 2)
    with pytest.raises(InputError, match="runs in one process, and here are 2"):
        report(tiny_config(data_dir), tmp_path)


def test_many_classes_are_drawn_without_names_beside_them():
    names = tuple(f"<class {i}>" for i in range(101))
    svg = confusion_svg(np.eye(101, dtype=int), names)
    assert svg.count("<rect") == 102 and "<text" not in svg
    assert "1 of 1 &lt;class 7&gt;" in svg
