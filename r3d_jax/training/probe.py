"""A linear probe: the head alone is trained, to convergence, on features that the trunk has given once."""

from collections.abc import Callable

import jax
import numpy as np
from flax.traverse_util import flatten_dict
from jaxtyping import Float, Int

from r3d_jax.data.preparation import most_broken
from r3d_jax.data.sampling import grouped_folds
from r3d_jax.errors import InputError
from r3d_jax.models.predict import average_views
from r3d_jax.training.failures import Failures
from r3d_jax.training.features import Features, collect_features
from r3d_jax.training.logistic import fit_path
from r3d_jax.training.logs import say
from r3d_jax.training.metrics import count, summarise
from r3d_jax.training.state import TrainState
from r3d_jax.training.task import Task
from r3d_jax.weights.integrity import checksum

FEATURES = "features"  # folder within a run's
PENALTIES = tuple(10.0**power for power in range(2, -6, -1))
USUAL = PENALTIES.index(0.01)  # where there are too few videos to hold any out
FOLDS, NEIGHBOURS = 5, 5


def train_head(task: Task, state: TrainState, stop: Callable[[], bool]) -> TrainState | None:
    """The state with a head that fits the training clips of all epochs, at the last step; None where `stop` came true.

    The head is multinomial logistic regression on standardised features (`logistic.fit_path`). The penalty is that of
    the least cross-entropy on clips of groups of videos that are held out in turn.

    Args:
      stop: asked before each batch.

    Raises:
      InputError: more training videos cannot be read than may.
    """
    train = _train_features(task, state.variables, stop)
    if train is None:
        return None
    x, labels, classes = train.features[:, 0], train.labels, task.model.heads[0].num_classes
    best, said = choose_penalty(x, labels, _groups_of(task, train), classes, seed=task.config.train.seed)
    path = PENALTIES[: best + 1]
    head = fit_path(x, labels, np.ones(len(x), np.float32), num_classes=classes, penalties=path)[-1]
    videos = len(np.unique(train.rows))
    say(f"head of {x.shape[1]} features on {len(x):,} clips of {videos:,} videos: penalty {path[-1]:g}, {said}")
    heads = {**state.params["heads_0"], "kernel": head.kernel, "bias": head.bias}
    params = jax.tree.map(_like, state.params, {**state.params, "heads_0": heads})
    return state._replace(step=_like(state.step, np.int32(task.total_steps)), params=params)


def evaluate_head(task: Task, variables: dict, stop: Callable[[], bool]) -> dict[str, int | float] | None:
    """What `evaluate` gives of the test videos, from features that are computed once, with `knn_top1` beside it.

    It is the video-level accuracy of the nearest training videos by the features alone, and printed.

    Args:
      stop: asked before each batch; where it comes true, the result is None.

    Raises:
      InputError: no test video can be read.
    """
    test, train = _test_features(task, variables, stop), _train_features(task, variables, stop)
    if test is None or train is None:
        return None
    missing = test.take(test.reasons != "")
    test = test.take(test.reasons == "")
    if len(missing.rows):
        listing = "".join(f"\n  {task.test.names[row]}: {why}" for row, why in zip(missing.rows, missing.reasons))
        say(f"{len(missing.rows)} test videos cannot be read and are not counted:{listing}")
    if not len(test.rows):
        raise InputError("no test video can be read; prepare the data set again from a sound copy")
    kernel, bias = (np.asarray(variables["params"]["heads_0"][name]) for name in ("kernel", "bias"))
    logits, valid = test.features @ kernel + bias, np.ones(len(test.rows), bool)
    counted = jax.jit(lambda logits, *rest: count(logits, average_views(logits, model=task.model), *rest))
    counts = counted(logits, test.labels, valid)
    classes = task.model.heads[0].num_classes
    summary = summarise({name: x if x.ndim else x.item() for name, x in jax.device_get(counts).items()}, classes)
    summary |= {"missing": len(missing.rows), "untested_classes": classes - len(np.unique(test.labels))}
    return summary | _nearest(train, test)


def choose_penalty(
    features: Float[np.ndarray, "clip feature"],
    labels: Int[np.ndarray, "clip"],
    groups: Int[np.ndarray, "clip"],
    num_classes: int,
    *,
    seed: int,
) -> tuple[int, str]:
    """The place in PENALTIES of the one that does best on groups which are held out in turn, and how it was chosen.

    A clip counts where its class is in the rest too. Where that leaves none, the penalty is the usual one.

    Args:
      groups: clips of one group are held out together.
      seed: of the folds.
    """
    folds = min(FOLDS, len(np.unique(groups)))
    fold_of = grouped_folds(groups, labels, folds, seed)
    losses, hits, counted = np.zeros(len(PENALTIES)), np.zeros(len(PENALTIES)), 0
    for fold in range(folds):
        rest = fold_of != fold
        held = ~rest & np.isin(labels, labels[rest])
        if not held.any():
            continue
        path = fit_path(features, labels, rest.astype(np.float32), num_classes=num_classes, penalties=PENALTIES)
        for i, layer in enumerate(path):
            logits = features[held] @ layer.kernel + layer.bias
            losses[i] -= np.asarray(jax.nn.log_softmax(logits))[np.arange(len(logits)), labels[held]].sum()
            hits[i] += (logits.argmax(1) == labels[held]).sum()
        counted += held.sum()
    if not counted:
        return USUAL, "the usual one: no class has two videos"
    best = int(losses.argmin())
    return (
        best,
        f"chosen on {folds} folds of {len(np.unique(groups))} groups (held-out clips: {hits[best] / counted:.1%})",
    )


def nearest(
    train: Float[np.ndarray, "video feature"],
    labels: Int[np.ndarray, "video"],
    test: Float[np.ndarray, "other feature"],
    k: int,
) -> Int[np.ndarray, "other"]:
    """The class that most of the `k` nearest videos have, by the cosine; of equals, the one of nearer videos.

    Args:
      labels: of `train`.
    """
    train, test = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (train, test))
    alike = test @ train.T
    best = np.argsort(-alike, axis=1, kind="stable")[:, :k]
    votes = np.zeros((len(test), labels.max() + 1))
    each = np.arange(len(test))[:, None]
    np.add.at(votes, (each, labels[best]), 1 + np.take_along_axis(alike, best, 1) / (4 * k))  # less than half a vote
    return votes.argmax(1)


def _nearest(train, test):
    rows, first, place = np.unique(train.rows, return_index=True, return_inverse=True)
    means = np.stack([train.features[place == i].mean((0, 1)) for i in range(len(rows))])
    labels, k = train.labels[first], min(NEIGHBOURS, len(rows))
    knn = np.mean(nearest(means, labels, test.features.mean(1), k) == test.labels).item()
    say(f"to compare with: {k} nearest neighbours {knn:.2%} of {len(test.rows):,} videos")
    return {"knn_top1": knn}


def _groups_of(task, train):
    """The group of each clip's video; the video itself where no class has videos of two groups."""
    groups = task.videos.index["group"][train.rows]
    several = any(len(np.unique(groups[train.labels == label])) > 1 for label in np.unique(train.labels))
    return groups if several else train.rows


def _train_features(task, variables, stop) -> Features | None:
    config = task.config
    failures = Failures(task.train.names, most_broken(task.train.num_videos, config.data.max_broken))

    def check(batch):
        failures.take(batch)
        if reason := failures.too_many():
            raise InputError(reason)

    reading = {"total": task.total_steps, "check": check, "processes": config.data.processes}
    found = _collect(task, variables, "train", {}, stop, batches=task.train, **reading)
    return found and found.take(found.reasons == "")


def _test_features(task, variables, stop) -> Features | None:
    config = task.config.eval
    facts = {"videos": config.videos, "batch_size": config.batch_size}
    views = {"views_at_once": config.views_at_once}
    return _collect(task, variables, "test", facts, stop, batches=task.test, **views)


def _collect(task, variables, split, facts, stop, *, batches, **options):
    variables = jax.device_get(variables)
    seen = {"trunk": variables["params"]["trunk"], "batch_stats": variables["batch_stats"]}
    seen |= {"hidden": variables["params"]["heads_0"].get("hidden", {})}
    facts = {"weights": checksum(flatten_dict(seen, sep="/")), "index": checksum(task.videos.index), **facts}
    return collect_features(
        batches,
        variables,
        task.workdir / FEATURES / split,
        facts,
        model=task.model,
        devices=task.devices,
        label=f"Features of {split} videos",
        stop=stop,
        workers=task.config.data.workers,
        dtype=task.config.train.dtype,
        **options,
    )


def _like(before, now):
    return jax.device_put(np.asarray(now, before.dtype), before.sharding)
