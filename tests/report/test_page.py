"""The page: its parts as text, and the whole of it in a browser."""

import numpy as np
import pytest

from r3d_jax.report.page import Strip, class_table, fill, interval, paragraphs, percent, strips, tile
from r3d_jax.report.statistics import Proportion, by_class

DASH = "\N{EN DASH}"
NAN = float("nan")


def test_proportions_are_in_per_cent_and_unknown_ones_a_dash():
    assert percent(0.97531) == "97.5 %" and percent(1, 2) == "100.00 %" and percent(NAN) == "&ndash;"
    assert interval(Proportion(0.5, 0.25, 0.7512)) == "25.0 to 75.1 %"
    assert interval(Proportion(NAN, NAN, NAN)) == "&ndash;"


def test_every_slot_of_the_page_is_one_that_a_report_fills():
    slots = ("title", "notes", "facts", "tiles", "classes", "confusion", "calibration", "calibration_text", "views")
    slots += ("views_text", "mistakes", "maps", "missing", "method")
    page = fill({name: f"here is {name}." for name in slots})
    assert "<!--" not in page and all(f"here is {name}." in page for name in slots)


def test_what_comes_from_names_is_text_and_not_markup():
    (row, other) = by_class(np.array([[1, 2], [0, 0]]), ("<a>", "<b>"))
    table = class_table([row, other])
    assert "<a>" not in table and "&lt;a&gt;" in table and 'data-value="&lt;b&gt;"' in table
    assert table.count("<tr>") == 3 and 'data-value=""' in table  # the precision of <b>, which nothing is
    strip = Strip("<v>.avi", "<a>", "<b>", 0.75, 0.25, ["data:,x"])
    shown = strips([strip], "none")
    assert "<v>" not in shown and "<a>" not in shown and "&lt;b&gt;</span> 75.0 %, is &lt;a&gt; (25.0 %)" in shown
    assert "wrong-text" in shown and "right-text" in strips([strip._replace(predicted="<a>")], "none")
    assert strips([], "<none>") == "<p>&lt;none&gt;</p>"
    assert paragraphs(["a", "<b>"]) == "<p>a</p><p>&lt;b&gt;</p>" and "&lt;c&gt;" in tile("<c>", "1", "of 2")


def opened(browser, run):
    browser.get((run / "report.html").absolute().as_uri())
    return browser


def texts(browser, selector):
    return [each.text for each in browser.find_elements("css selector", selector)]


@pytest.mark.slow
def test_the_page_opens_without_a_network_and_asks_for_nothing(reported, browser):
    browser.get_log("browser")
    page = opened(browser, reported[0])
    asked = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in asked if not name.startswith("data:")] == []
    pictures = page.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(pictures) > 10 and min(pictures) > 0
    assert browser.get_log("browser") == []
    assert page.find_element("tag name", "h1").text == "<run> & co on demo"


def test_what_was_set_otherwise_than_in_training_stands_above_all_else(reported, browser):
    body = opened(browser, reported[0]).find_element("tag name", "body")
    assert body.text.splitlines()[:2] == ["clip.views: 2 in training, 3 now", "<run> & co on demo"]


def test_the_page_says_what_was_printed_and_what_the_table_says(reported, predictions, browser):
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
    assert len(page.find_elements("css selector", "#confusion rect.right title")) == len(
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
    heading = page.find_element("css selector", "#classes th:nth-child(4)")
    assert heading.get_attribute("aria-sort") == "ascending"
    # What has no value stays at the end, either way.
    click(7)
    unknown = column(7).count(DASH)
    assert column(7)[8 - unknown :] == [DASH] * unknown
    click(7)
    assert column(7)[8 - unknown :] == [DASH] * unknown
