"""Testing on every video of a split, each counted exactly once."""

import jax

from r3d_jax.data.pipeline import read_ahead
from r3d_jax.errors import InputError
from r3d_jax.training.metrics import TOP, summarise
from r3d_jax.training.processes import gather
from r3d_jax.training.progress import Progress, say
from r3d_jax.training.steps import eval_step, pmap, replicate, split_over


def make_evaluate(model, batches, *, names, devices, workers, num_classes, stop=lambda: False, **static):
    """variables -> summary of `batches` (see `metrics.summarise`), or None where `stop` came true half-way anywhere.

    Videos that cannot be read are told by their `names`, and counted as `missing` in the summary; none takes their
    place. The step is compiled once for each frame size among the videos, at the first call; `static` are arguments of
    `eval_step`. Counts are read one batch late, so that no batch waits for it.

    Raises:
      InputError: no video can be read.
    """
    compiled = {}

    def evaluate(variables):
        totals, missing, late = {}, {}, []
        variables = replicate(variables, devices)

        def read(upto):
            while len(late) > upto:
                for name, value in jax.device_get(late.pop(0)).items():
                    totals[name] = totals.get(name, 0) + value.item()

        with Progress(len(batches), unit="batch", label="Testing") as progress:
            for batch in read_ahead(batches, workers=workers):
                missing |= {row: why for row, why in zip(batch["row"].tolist(), batch["missing"].tolist()) if why}
                batch = split_over({name: batch[name] for name in ("clips", "label", "valid")}, devices, stop())
                shape = batch["clips"].shape
                if shape not in compiled:
                    compiled[shape] = pmap(eval_step, variables, batch, devices=devices, model=model, **static)
                late.append(compiled[shape](variables, batch))
                read(upto=1)
                if totals.get("stop"):
                    return None
                progress.advance()
        read(upto=0)
        if totals["stop"]:
            return None
        missing = gather(missing)
        if missing:
            listing = "".join(f"\n  {names[row]}: {why}" for row, why in missing.items())
            say(f"{len(missing)} test videos cannot be read and are not counted:{listing}")
        if not totals["videos"]:
            raise InputError("no test video can be read; prepare the data set again from a sound copy")
        return summarise(totals, num_classes) | {"missing": len(missing)}

    return evaluate


def describe(summary: dict[str, int | float], num_videos: int) -> str:
    """One line: both levels, with their denominators; `num_videos` are in the split."""
    parts = []
    for level in ("video", "clip"):
        tops = ", ".join(f"top-{k} {summary[f'{level}_top{k}']:.2%}" for k in TOP if f"{level}_top{k}" in summary)
        parts.append(f"{level}-level {tops} of {summary[f'{level}s']:,} {level}s")
    if summary["videos"] + summary["missing"] < num_videos:
        parts[0] += f" (drawn from {num_videos:,})"
    if summary["missing"]:
        parts[0] += f" ({summary['missing']:,} missing)"
    return f"{parts[0]}; {parts[1]}; loss {summary['loss']:.4f}"
