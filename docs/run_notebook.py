"""python docs/run_notebook.py: runs the cells of docs/tutorial.ipynb in a folder of its own and stores what they give.

The cells alone are written by hand. This needs no Jupyter, and leaves no times and no counts that differ from one run
to the next in the file.
"""

import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
DPI, COLOURS = 96, 64


def run(notebook: dict) -> dict:
    """The notebook with new outputs: what each code cell prints, gives and draws, in this order."""
    found = {}
    for count, cell in enumerate((cell for cell in notebook["cells"] if cell["cell_type"] == "code"), start=1):
        cell |= {"execution_count": count, "outputs": _outputs("".join(cell["source"]), found, count)}
    return notebook


def _outputs(source, found, count):
    import matplotlib.pyplot as plt

    *body, last = ast.parse(source).body
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        if isinstance(last, ast.Expr) and not source.rstrip().endswith(";"):
            exec(compile(ast.Module(body, []), "cell", "exec"), found)
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), found)
        else:
            exec(compile(source, "cell", "exec"), found)
    outputs = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        outputs.append({"output_type": "execute_result", "execution_count": count, "data": data, "metadata": {}})
    for number in plt.get_fignums():
        data = {"image/png": base64.b64encode(_png(plt.figure(number))).decode(), "text/plain": ["<Figure>"]}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    plt.close("all")
    return outputs


def _png(figure):
    """The figure in few colours: a third of the bytes."""
    from PIL import Image  # which matplotlib brings

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def _lines(text):
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "Agg"
    sys.path.insert(0, str(ROOT))
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        notebook = run(notebook)
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
