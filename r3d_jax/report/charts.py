"""Pictures of the report, as text that a page holds."""

import base64
import io
from html import escape

import numpy as np
from jaxtyping import Int

from r3d_jax.report.statistics import Bin, Proportion

LABELLED = 40  # classes whose names stand beside a confusion matrix; more would not be read
EDGE = 640  # of the matrix, in the drawing's units


def confusion_svg(matrix: Int[np.ndarray, "label predicted"], names: tuple[str, ...]) -> str:
    """A confusion matrix as an SVG element: rows are labels, columns what their videos are taken for.

    The darker a field, the larger its part of the row; each tells its count when it is pointed at.

    Args:
      names: of the classes, beside the matrix where there are at most LABELLED.
    """
    count = len(names)
    cell = EDGE / count
    margin = 7 * max(map(len, names)) + 12 if count <= LABELLED else 8
    parts = [
        f'<svg id="confusion" viewBox="0 0 {EDGE + margin} {EDGE + margin}" role="img" '
        f'aria-label="confusion matrix"><g transform="translate({margin} {margin})">'
        f'<rect width="{EDGE}" height="{EDGE}" class="field"/>'
    ]
    for i, j in np.argwhere(matrix):
        number, total = int(matrix[i, j]), int(matrix[i].sum())
        kind = "right" if i == j else "wrong"
        told = f"{number} of {total} {escape(names[i])}" + ("" if i == j else f" taken for {escape(names[j])}")
        parts.append(
            f'<rect x="{j * cell:.2f}" y="{i * cell:.2f}" width="{cell:.2f}" height="{cell:.2f}" class="{kind}" '
            f'opacity="{0.15 + 0.85 * number / total:.3f}"><title>{told}</title></rect>'
        )
        if count <= 20:
            at = f'x="{(j + 0.5) * cell:.2f}" y="{(i + 0.5) * cell + 5:.2f}"'
            dark = " dark" if number > total / 2 else ""
            parts.append(f'<text {at} text-anchor="middle" class="count{dark}">{number}</text>')
    if count <= LABELLED:
        for i, name in enumerate(names):
            at = (i + 0.5) * cell
            parts.append(f'<text x="-6" y="{at + 4:.2f}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<text transform="translate({at + 4:.2f} -6) rotate(-90)">{escape(name)}</text>')
    return "".join([*parts, "</g></svg>"])


def calibration_image(bins: list[Bin], of: str = "the predicted class", right: str = "is right") -> str:
    """Accuracy over confidence as an HTML image, with the diagonal, on which a network is perfectly calibrated.

    Args:
      of, right: whose probability it is, and what is true of the share, for the axes.
    """
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--", label="perfectly calibrated")
    low = [each.low for each in bins]
    axes.bar(low, [each.accuracy for each in bins], width=0.1, align="edge", alpha=0.35, edgecolor="#2563eb")
    axes.plot(
        [each.confidence for each in bins], [each.accuracy for each in bins], "o-", color="#2563eb", label="measured"
    )
    for each in bins:
        axes.annotate(f"{each.videos:,}", (each.confidence, each.accuracy), xytext=(0, 6), textcoords="offset points",
                      ha="center", fontsize=7)  # fmt: skip
    axes.set(xlabel=f"probability of {of}", ylabel=f"share that {right}", xlim=(0, 1), ylim=(0, 1.08))
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    return _as_image(figure, "calibration")


def views_image(points: list[tuple[int, float]], whole: Proportion | None, of: str = "video-level top-1") -> str:
    """Accuracy over the number of views as an HTML image, with the interval for all views as a band.

    Args:
      points: (number of views, accuracy with so many).
      whole: the accuracy with all views; None: no band.
      of: what the accuracy is, for the axis.
    """
    figure, axes = _figure()
    counts, accuracies = zip(*points)
    low, high = min(accuracies), max(accuracies)
    if whole:
        axes.axhspan(whole.low, whole.high, alpha=0.15, color="#2563eb", label="95 % interval with all views")
        low, high = min(low, whole.low), max(high, whole.high)
    axes.plot(counts, accuracies, "o-", color="#2563eb", label="" if whole else "mean over the choices of views")
    axes.set(xlabel="views of a video", ylabel=of, ylim=(max(0, low - 0.02), min(1.01, high + 0.02)))
    axes.set_xticks(counts)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return _as_image(figure, "effect of the number of views")


def _figure():
    from matplotlib.figure import Figure  # half a second, which only a drawn picture should cost

    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    return figure, figure.subplots()


def _as_image(figure, alt):
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    encoded = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{alt}" src="data:image/svg+xml;base64,{encoded}">'
