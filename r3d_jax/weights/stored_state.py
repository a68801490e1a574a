"""How a state lies in a checkpoint: what the network is used with, and the rest of what training goes on from."""

from typing import Any


def to_items(state: Any) -> dict[str, dict]:
    """A `TrainState` as the two trees that are stored.

    `variables` is what `load` gives. `rest` is the step, the optimiser and, where the former are averaged, `own`, the
    params and batch statistics that training goes on with; where they are precise statistics, `running`, those in whose
    place they stand.
    """
    rest = {"step": state.step, "opt_state": state.opt_state}
    if state.averaged is not None:
        rest["own"] = {"params": state.params, "batch_stats": state.batch_stats}
    if state.precise is not None:
        rest["running"] = state._replace(precise=None).variables["batch_stats"]
    return {"variables": state.variables, "rest": rest}


def like_stored(like: dict[str, dict], stored: dict[str, Any]) -> dict[str, dict]:
    """`like`, with the running statistics that are stored where a state was saved with precise ones.

    Args:
      like: items of a state that gives shapes and types; of `rest`, there may be none.
      stored: what there is of them.
    """
    if "rest" not in like or "running" not in stored["rest"]:
        return like
    return like | {"rest": like["rest"] | {"running": like["variables"]["batch_stats"]}}


def from_items(items: dict[str, dict], like: Any) -> Any:
    """The `TrainState` that was stored, without what no step takes up.

    Args:
      items: as they were read.
      like: a state of that kind, whose values are replaced.
    """
    variables, rest = items["variables"], dict(items["rest"])
    if "running" in rest:
        variables = {**variables, "batch_stats": rest.pop("running")}
    if like.averaged is None:
        return like._replace(**variables, **rest)
    return like._replace(**rest.pop("own"), **rest, averaged=variables)
