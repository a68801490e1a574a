"""Testing on every video of a split, each counted exactly once."""

import jax

from r3d_jax.data.pipeline import read_ahead
from r3d_jax.training.metrics import TOP, summarise
from r3d_jax.training.progress import Progress
from r3d_jax.training.steps import eval_step, pmap, split_over


def make_evaluate(model, batches, *, devices, workers, num_classes, stop=lambda: False):
    """variables -> summary of `batches` (see `metrics.summarise`), or None where `stop` came true half-way.

    The step is compiled once for each frame size among the videos, at the first call.
    """
    compiled = {}

    def evaluate(variables):
        totals = {}
        with Progress(len(batches), unit="batch", label="Testing") as progress:
            for batch in read_ahead(batches, workers=workers):
                if stop():
                    return None
                batch = split_over({name: batch[name] for name in ("clips", "label", "valid")}, devices)
                shape = batch["clips"].shape
                if shape not in compiled:
                    compiled[shape] = pmap(eval_step, variables, batch, devices=devices, model=model)
                counts = jax.device_get(compiled[shape](variables, batch))
                totals = {name: totals.get(name, 0) + value.item() for name, value in counts.items()}
                progress.advance()
        return summarise(totals, num_classes)

    return evaluate


def describe(summary: dict[str, int | float], num_videos: int) -> str:
    """One line: both levels, with their denominators; `num_videos` are in the split."""
    parts = []
    for level in ("video", "clip"):
        tops = ", ".join(f"top-{k} {summary[f'{level}_top{k}']:.2%}" for k in TOP if f"{level}_top{k}" in summary)
        parts.append(f"{level}-level {tops} of {summary[f'{level}s']:,} {level}s")
    if summary["videos"] < num_videos:
        parts[0] += f" (drawn from {num_videos:,})"
    return f"{parts[0]}; {parts[1]}; loss {summary['loss']:.4f}"
