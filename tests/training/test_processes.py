"""One process; several are tests/test_several_processes.py."""

import jax
import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.training.processes import agree, connect, first_then_others, gather, is_first, leave, shard


def test_one_process_is_the_first_and_agrees_with_itself():
    assert is_first() and shard() == (0, 1)
    tree = {"a": np.arange(3)}
    assert agree(tree) is tree and agree(True) is True
    assert gather({3: "why"}) == {3: "why"}


def test_what_fails_in_the_first_process_fails_there():
    assert first_then_others(lambda: 7) == 7
    with pytest.raises(InputError, match="no videos"):
        first_then_others(lambda: (_ for _ in ()).throw(InputError("no videos")))


@pytest.mark.parametrize("status", [0, 3, "error: why"])
def test_leaving_exits_with_the_status(status):
    with pytest.raises(SystemExit) as ended:
        leave(status)
    assert ended.value.code == status


def test_arguments_that_do_not_go_together_are_refused():
    connect("", 0, -1, False)
    assert jax.process_count() == 1
    with pytest.raises(InputError, match="need `coordinator`, HOST:PORT"):
        connect("", 2, 0, False)
    with pytest.raises(InputError, match=r"`processes` .=2. and `process` .=2."):
        connect("127.0.0.1:1", 2, 2, False)
