import jax
import numpy as np
import optax
import pytest

from r3d_jax.training.state import first_state
from r3d_jax.weights.checkpoint import Checkpoints, restore_variables
from r3d_jax.weights.stored_state import from_items, like_stored, to_items


def tree(value):
    return {"params": {"kernel": np.full(2, value)}, "batch_stats": {"mean": np.full(3, value + 0.5)}}


PLAIN = first_state(tree(1.0), optax.trace(0.9))
PRECISE = {"mean": np.full(3, 9.0)}


def same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, first, second)))


def test_a_plain_state_lies_as_it_always_has():
    assert same(to_items(PLAIN), {"variables": tree(1.0), "rest": {"step": PLAIN.step, "opt_state": PLAIN.opt_state}})


@pytest.mark.parametrize("precise", [None, PRECISE])
@pytest.mark.parametrize("averaged", [None, tree(7.0)])
def test_variables_are_what_a_network_is_used_with_and_training_goes_on_with_its_own(averaged, precise, tmp_path):
    state = PLAIN._replace(averaged=averaged, precise=precise)
    like = jax.tree.map(np.zeros_like, PLAIN._replace(averaged=averaged))
    items = to_items(state)
    assert same(items["variables"], state.variables)
    assert same(from_items(items, like), state._replace(precise=None))
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state)
    with Checkpoints(tmp_path) as checkpoints:
        assert same(checkpoints.restore(like), state._replace(precise=None))
    assert same(restore_variables(tmp_path, like.variables), state.variables)


def test_what_is_read_alone_is_read_as_it_is():
    like = {"variables": tree(0.0)}
    assert like_stored(like, {"variables": tree(0.0)}) is like
