import base64
import re

import numpy as np

from r3d_jax.report.charts import LABELLED, calibration_image, confusion_svg, views_image
from r3d_jax.report.statistics import Bin
from r3d_jax.training.metrics import Proportion


def drawn(image):
    """The SVG text inside an image, which matplotlib draws the letters of as paths."""
    found = re.fullmatch(r'<img alt="([\w ]+)" src="data:image/svg\+xml;base64,([\w+/=]+)">', image)
    return found[1], base64.b64decode(found[2]).decode()


def test_each_field_of_a_confusion_matrix_tells_its_count():
    svg = confusion_svg(np.array([[3, 1], [0, 2]]), ("<run>", "walk"))
    titles = re.findall(r'class="(\w+)" opacity="([\d.]+)"><title>(.*?)</title>', svg)
    assert titles == [
        ("right", "0.787", "3 of 4 &lt;run&gt;"),
        ("wrong", "0.362", "1 of 4 &lt;run&gt; taken for walk"),
        ("right", "1.000", "2 of 2 walk"),
    ]
    assert re.findall(r'class="count(?: dark)?">(\d)</text>', svg) == ["3", "1", "2"]
    assert svg.count("&lt;run&gt;</text>") == svg.count(">walk</text>") == 2


def test_many_classes_are_drawn_without_names_beside_them():
    names = tuple(f"<class {i}>" for i in range(101))
    svg = confusion_svg(np.eye(101, dtype=int), names)
    assert len(names) > LABELLED and svg.count("<rect") == 102 and "<text" not in svg
    assert "1 of 1 &lt;class 7&gt;" in svg


def test_calibration_is_drawn_over_confidence():
    bins = [Bin(0.6, 0.7, 2, 0.62, 0.5), Bin(0.9, 1.0, 1234, 0.97, 0.99)]
    alt, svg = drawn(calibration_image(bins))
    assert alt == "calibration" and svg.startswith("<?xml") and "<!-- 1,234 -->" in svg and "<!-- measured -->" in svg


def test_the_effect_of_views_is_drawn_with_the_interval_of_all():
    points = [(1, 0.5), (2, 0.75)]
    alt, svg = drawn(views_image(points, Proportion(0.75, 0.6, 0.85)))
    assert alt == "effect of the number of views" and "<!-- 95 % interval with all views -->" in svg
    assert drawn(views_image([(1, 1.0)], Proportion(1.0, 0.8, 1.0)))[1] != svg
