"""A report on the tiny run, made once, and its configuration with changes."""

import csv
import io
import shutil

import numpy as np
import pytest
from tiny import get_config

from r3d_jax.report.collect import Tested
from r3d_jax.report.report import report


@pytest.fixture(scope="session")
def tiny_config(data_dir):
    """A function of changes, as `section__field=value`: the configuration of the tiny run with them."""

    def changed(**changes):
        config = get_config()
        config.data.data_dir = str(data_dir)
        for name, value in changes.items():
            section, field = name.split("__")
            setattr(getattr(config, section), field, value)
        return config

    return changed


@pytest.fixture(scope="session")
def reported(tiny_run, tiny_config, shared, once):
    """(folder, what was printed) of a report on more test videos than the run was tested on."""
    run, text = shared / "report" / "<run> & co", shared / "report.txt"
    with once("report"):
        if not text.exists():
            shutil.copytree(tiny_run[0], run)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("sys.stdout", printed := io.StringIO())
                assert report(tiny_config(eval__videos=21, clip__views=3), run) == 0
            text.write_text(printed.getvalue())
    return run, text.read_text()


@pytest.fixture(scope="session")
def predictions():
    """A function of a run's folder: the lines of its `predictions.csv` as dictionaries."""
    return lambda run: list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))


@pytest.fixture
def tested():
    """Four test videos of three classes, of several or none; nothing is of the last class."""
    labels = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], np.uint8)
    logits = np.array([[2.0, -1.0, 1.0], [-1.0, 3.0, -2.0], [-3.0, -3.0, -3.0], [0.5, 1.0, -1.0]], np.float32)
    return Tested(np.arange(4), labels, logits[:, None], logits, 1 / (1 + np.exp(-logits)), {})
