"""The report as one page that needs nothing but itself."""

from html import escape
from importlib import resources
from math import isnan
from typing import NamedTuple

from r3d_jax.report.statistics import ClassResult, Proportion


class Strip(NamedTuple):
    """One video in pictures: what it is, what it is taken for, and how sure that is.

    Attributes:
      video: its name.
      label, predicted: names of the classes that it is of and is taken for.
      probability, of_label: probabilities of the predicted class and of the label.
      images: addresses of its frames, which hold the pictures themselves.
    """

    video: str
    label: str
    predicted: str
    probability: float
    of_label: float
    images: list[str]


def fill(slots: dict[str, str], body: str = "one_label.html") -> str:
    """The whole page as HTML text, with {slot: HTML} put where page.html and its `body` have `<!--slot-->`."""
    folder = resources.files("r3d_jax.report")
    page = folder.joinpath("page.html").read_text().replace("<!--body-->\n", folder.joinpath(body).read_text())
    for name, html in slots.items():
        page = page.replace(f"<!--{name}-->", html)
    return page


def percent(value: float, digits: int = 1) -> str:
    """A proportion in per cent as HTML, such as `97.5 %`; a dash where it has no value (nan)."""
    return "&ndash;" if isnan(value) else f"{100 * value:.{digits}f} %"


def interval(proportion: Proportion) -> str:
    """The confidence interval of a proportion in per cent as HTML, such as `91.0 to 99.3 %`; a dash for nan."""
    return "&ndash;" if isnan(proportion.low) else f"{100 * proportion.low:.1f} to {100 * proportion.high:.1f} %"


def tile(title: str, value: str, below: str) -> str:
    """One number that matters as an HTML element, with a `title` above it and HTML of what it is `below` it."""
    return f'<div class="tile"><span>{escape(title)}</span><b>{value}</b><span>{below}</span></div>'


def class_table(rows: list[ClassResult]) -> str:
    """An HTML table with a row for each class, whose cells carry the values that the page's script sorts them by."""
    titles = [("class", "text"), ("videos", ""), ("right", ""), ("recall", ""), ("interval", ""), ("predicted", "")]
    titles += [("precision", ""), ("most often taken for", "text"), ("times", "")]
    lines = [
        [
            (row.name, escape(row.name), "text"),
            (row.videos, f"{row.videos:,}", ""),
            (row.right, f"{row.right:,}", ""),
            (row.recall.value, percent(row.recall.value), ""),
            (row.recall.low, interval(row.recall), ""),
            (row.predicted, f"{row.predicted:,}", ""),
            (row.precision, percent(row.precision), ""),
            (row.taken_for, escape(row.taken_for), "text"),
            (row.taken, f"{row.taken:,}" if row.taken else "", ""),
        ]
        for row in rows
    ]
    return sorted_by_click(titles, lines)


def sorted_by_click(titles: list[tuple[str, str]], lines: list[list[tuple[str | float, str, str]]]) -> str:
    """An HTML table of classes that the page's script sorts by the column whose title is clicked on.

    Args:
      titles: (title, "text" or "") of each column.
      lines: of each line its cells as (value to sort by, HTML, "text" or "").
    """
    head = "".join(f'<th scope="col" class="{kind}"><button>{title}</button></th>' for title, kind in titles)
    body = "".join("<tr>" + "".join(_cell(*cell) for cell in line) + "</tr>" for line in lines)
    return f'<table id="classes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def strips(found: list[Strip], none: str) -> str:
    """Videos in pictures as HTML, or the text `none` where there are none."""
    return "".join(map(_strip, found)) or f"<p>{escape(none)}</p>"


def paragraphs(lines: list[str]) -> str:
    """HTML with a paragraph for each line of text."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _cell(value, html, kind):
    known = "" if isinstance(value, float) and isnan(value) else escape(str(value))
    return f'<td class="{kind}" data-value="{known}">{html}</td>'


def _strip(strip):
    kind = "right-text" if strip.predicted == strip.label else "wrong-text"
    told = f'<span class="{kind}">{escape(strip.predicted)}</span> {percent(strip.probability)}'
    if strip.predicted != strip.label:
        told += f", is {escape(strip.label)} ({percent(strip.of_label)})"
    return video_strip(strip.video, told, strip.images)


def video_strip(video: str, told: str, images: list[str]) -> str:
    """One video in pictures as HTML: its name, HTML of what is `told` of it, and its frames."""
    frames = "".join(f'<img src="{image}" alt="frame {i + 1}">' for i, image in enumerate(images))
    return f'<div class="video"><p>{escape(video)}: {told}</p><div class="strip">{frames}</div></div>'
