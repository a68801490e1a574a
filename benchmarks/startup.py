"""python -m benchmarks.startup [FOLDER]: how long until training trains, and what it waits for then.

Imports and a first training step (R3D-18, eight random clips of 8x112x112) in new processes, against PyTorch if it is
installed, in turn; medians. Then `main.py` itself, from the command to the end of the first step, with
an empty and with a warm compilation cache, and the share of time spent waiting for data: the demo, and R3D-18 on the
UCF-101 tree FOLDER (as `configs/ucf101.py` reads it).
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import describe_machine

ROUNDS = 3
FIRST_STEP = "from benchmarks import startup; startup.first_step({!r})"


def first_step(library):
    """One training step of `library` in this process; the arguments are those of `benchmarks.network`."""
    import numpy as np

    from benchmarks.network import CLASSES, Ours, parse, random_clips
    from benchmarks.opponents import new_peer
    from r3d_jax.models.classifier import build

    flags = parse([])
    model, (clips, labels) = build("r3d_18", CLASSES), random_clips(flags)
    if library == "ours":
        Ours(model, clips, labels).train()
    else:
        peer = new_peer(model)
        peer.train(peer.place(clips), peer.place(labels.astype(np.int64)))


def seconds(code, environment):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment)
    return time.perf_counter() - start


def processes(cache):
    """Rows of what a new process needs."""
    peer = importlib.util.find_spec("torch")
    environment = {"JAX_COMPILATION_CACHE_DIR": cache}
    rows = {"import": ("import r3d_jax; r3d_jax.train_step", "import torch")}
    rows["process to end of first training step"] = (FIRST_STEP.format("ours"), FIRST_STEP.format("peer"))
    for what, (ours, theirs) in rows.items():
        times = {"ours": [], "peer": []}
        for number in range(ROUNDS + 1):  # the first fills caches
            for name, code in (("ours", ours), ("peer", theirs if peer else None)):
                if code:
                    took = seconds(code, environment)
                    times[name] += [took] if number else []
        mine = statistics.median(times["ours"])
        theirs = statistics.median(times["peer"]) if peer else None
        cells = [what, f"{mine:.2f} s", *([f"{theirs:.2f} s", f"{theirs / mine:.2f}"] if peer else ["", ""])]
        print(f"| {' | '.join(cells)} |", flush=True)


def run(arguments, folder, cache, steps):
    """(seconds to the end of step 1, share of the time waiting) of a run that is ended after `steps`."""
    command = [sys.executable, "main.py", *arguments, f"--workdir={folder}", "--config.train.log_every=1"]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if line.startswith("Training "):
            step = int(line.split()[1].partition("/")[0])
            if step == 1:
                first = time.perf_counter() - start
            if step == steps:
                process.terminate()
    process.wait()
    rows = [json.loads(row) for row in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["kind"] == "train" and row["step"] > 1]
    spent = [1 / row["clips_per_second"] for row in rows]
    waited = sum(row["data_wait"] * time_of for row, time_of in zip(rows, spent)) / sum(spent)
    return first, waited


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("folder", nargs="?", help="a tree of UCF-101")
    folder = flags.parse_args().folder
    print(describe_machine(["torch"]))
    with tempfile.TemporaryDirectory() as temporary:
        print("\n| | r3d_jax | PyTorch | ratio |\n|---|---|---|---|", flush=True)
        processes(f"{temporary}/processes")
        data = f"--config.data.data_dir={temporary}/data"
        runs = {"configs/demo.py": (["--config=configs/demo.py", data], 200)}
        if folder:
            source = f"--config.data.source={folder}"
            batches = ["--config.train.batch_size=8", "--config.train.videos_per_epoch=800"]
            runs["configs/ucf101.py, 8 clips a step"] = (["--config=configs/ucf101.py", data, source, *batches], 12)
        print("\n| main.py | cache | end of step 1 | waiting for data |\n|---|---|---|---|", flush=True)
        for name, (arguments, steps) in runs.items():
            for number, kind in enumerate(("empty", "warm", "warm")):
                workdir = f"{temporary}/{Path(arguments[0]).stem}-{number}"
                first, waited = run(arguments, workdir, f"{temporary}/main", steps)
                print(f"| {name} | {kind} | {first:.1f} s | {waited:.1%} |", flush=True)


if __name__ == "__main__":
    main()
