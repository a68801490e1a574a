import importlib.util
from functools import partial
from pathlib import Path

import pytest

from r3d_jax.errors import InputError
from r3d_jax.pipelines import each, installed, options_of


def write(folder, number):
    if number == 7:
        raise OSError("the disk has had enough")
    (folder / str(number)).write_text(str(number))


def test_without_beam_one_message_names_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"`runner` FlinkRunner needs Apache Beam.*pip install 'r3d_jax\[beam\]'"):
        options_of("FlinkRunner")
    assert not installed()


def test_options_are_beams_own_and_what_it_does_not_know_is_refused():
    found = options_of("DirectRunner", processes=3).get_all_options()
    assert (found["direct_num_workers"], found["direct_running_mode"]) == (3, "multi_processing")
    assert (
        options_of("DirectRunner", ["--direct_num_workers=2"]).get_all_options()["direct_running_mode"] == "in_memory"
    )
    assert options_of("FlinkRunner", ["--flink_master=host:1"]).get_all_options()["flink_master"] == "host:1"
    with pytest.raises(InputError, match="DirectRunner has no option direct_worker"):
        options_of("DirectRunner", ["--direct_worker=2"])
    with pytest.raises(InputError, match=r"Beam has no `runner` 'Nope': .* Valid values are .*FlinkRunner"):
        options_of("Nope")


def test_a_function_is_called_with_each_item_and_its_failure_is_one_line(tmp_path):
    here = options_of("DirectRunner", processes=1)
    each(partial(write, tmp_path), range(5), here)
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == list("01234")
    with pytest.raises(InputError, match=r"^a worker of Beam has failed: .*the disk has had enough") as failed:
        each(partial(write, tmp_path), [7], here)
    assert len(str(failed.value).splitlines()) == 1
