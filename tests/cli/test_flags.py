import argparse
from pathlib import Path

import pytest

from r3d_jax.cli.flags import add_network, numbers, path, with_flags


def test_a_tilde_is_the_home_wherever_no_shell_has_replaced_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert path("~/runs/a") == Path("/home/me/runs/a") and path("runs/~a") == Path("runs/~a")
    parser = argparse.ArgumentParser()
    add_network(parser)
    assert parser.parse_args(["~/run"]).source == Path("/home/me/run")


def test_numbers_have_commas_between():
    assert numbers("0.4,1,-2e-1") == (0.4, 1.0, -0.2)
    with pytest.raises(argparse.ArgumentTypeError, match=r"'0.4;1' must be numbers with commas between"):
        numbers("0.4;1")


def test_flags_stand_for_the_arguments_that_a_message_names():
    named = {"batch_size": "--batch", "views": "--views"}
    message = "`batch_size` (=0), `views` (=-1), `train.batch_size`, `other` and views"
    assert with_flags(message, named) == "--batch (=0), --views (=-1), `train.batch_size`, `other` and views"
