import io
import sys

import pytest

from r3d_jax.training.logs import Progress, say


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_stay_where_there_is_no_terminal(capsys):
    with Progress(4, 1, unit="step", label="Training") as progress:
        progress.doing("compiling")
        progress.advance()
        progress.show(2, "loss 1.0")
    say("done")
    assert capsys.readouterr().out == "Training 2/4: loss 1.0\ndone\n"


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_has_a_bar_below_the_lines_that_says_what_it_waits_for(monkeypatch, columns):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    with Progress(4, unit="step", label="Training") as progress:
        progress.doing("compiling")
        progress.doing()
        progress.advance(2)
        progress.show(2, "loss 1.0, lr 0.05, top-1 97.5%, 152.5 clips/s, waiting 0%")
        progress._bar.refresh()
    shown = terminal.getvalue()
    assert "Training (compiling):   0%|" in shown
    assert "Training 2/4: loss 1.0, lr 0.05, top-1 97.5%, 152.5 clips/s, waiting 0%\n" in shown
    bar = [part for part in shown.replace("\n", "\r").split("\r") if part.startswith("Training:  50%|")][-1]
    assert bar.rstrip().endswith("]") and "| 2/4 [" in bar
