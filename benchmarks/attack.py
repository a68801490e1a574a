"""python -m benchmarks.attack FOLDER: tries to make training lose, mix up or misread what it has, and counts what came.

FOLDER must not exist; it takes a few hundred megabytes and about seven minutes on two cores. Each attack is on
a run of tests/tiny.py, a network of four channels on the demo's videos: processes killed at drawn moments while
they prepare, train and save, or test; bits flipped in each kind of file that is loaded; disks too small; several
starts in one folder. What is promised is in docs/reliability.md, with the numbers of one day.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from flax.traverse_util import flatten_dict

import r3d_jax
from r3d_jax.data.demo import Demo
from r3d_jax.errors import InputError
from r3d_jax.training import metrics_log
from r3d_jax.weights import converted
from r3d_jax.weights.export import export

TIMED = ("clips_per_second", "data_wait")


def tiny(data_dir, run):
    """Arguments of `main.py` that train tests/tiny.py."""
    return "--config=tests/tiny.py", f"--config.data.data_dir={data_dir}", f"--workdir={run}"


def start(*arguments, largest=None, cache):
    """`main.py` in a process of its own, which cannot write files beyond `largest` bytes."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "main.py", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=limit if largest else None,
    )


def finished(process):
    """(exit status, what it printed)."""
    printed, _ = process.communicate(timeout=600)
    return process.returncode, printed


def contents(folder, leave_out=()):
    """{path: digest} of all files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in leave_out)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def arrays(run):
    """{name: array} of the network in a run's folder or a file."""
    return flatten_dict(r3d_jax.load(run).variables, sep="/")


def same(one, other):
    """Whether two runs have the same arrays and, but for what a clock has measured, the same rows."""
    first, second = arrays(one), arrays(other)
    rows = [[{k: v for k, v in row.items() if k not in TIMED} for row in metrics_log.read(run)] for run in (one, other)]
    return rows[0] == rows[1] and all(np.array_equal(first[name], second[name]) for name in first | second)


def killed_at_drawn_moments(command, count, span, chance):
    """Kills `count` runs of a command at moments drawn from a span, in seconds since their start."""
    for _ in range(count):
        process = command()
        time.sleep(chance.uniform(*span))
        process.kill()
        process.communicate()


def preparation(folder, cache, chance, count):
    """Kills while the data set is prepared; then it is prepared, and compared with one that nobody killed."""

    def command(where=folder / "killed"):
        return start(*tiny(where / "data", where / "run"), cache=cache)

    status, printed = finished(command(folder / "whole"))
    assert status == 0, printed
    killed_at_drawn_moments(command, count, (0.3, 6.0), chance)
    shutil.rmtree(folder / "killed" / "run", ignore_errors=True)
    status, printed = finished(command())
    assert status == 0, printed
    left = [path.name for path in (folder / "killed" / "data").rglob("incomplete*")]
    records = [stored(folder / name / "data") for name in ("whole", "killed")]
    outcome = "the same records" if records[0] == records[1] else "OTHER RECORDS"
    return f"{outcome}, {left or 'nothing'} left behind"


def stored(data_dir):
    """A digest of each record of the demo's data set, field by field: files have fields in any order."""
    videos = Demo(data_dir=str(data_dir)).load()
    return [
        hashlib.sha256(b"".join(np.asarray(record[name]).tobytes() for name in sorted(record))).hexdigest()
        for record in map(videos.records.__getitem__, range(len(videos.records)))
    ]


def saving(folder, whole, cache, chance, count):
    """Kills while a run trains and saves after every step; then it goes on to its end."""
    run = folder / "run"

    def command():
        return start(*tiny(whole / "data", run), cache=cache)

    done = 0
    for _ in range(count):
        process, before = command(), done
        while process.poll() is None and (done := rows(run)) == before:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.05))  # a step and its checkpoint take some ten milliseconds
        process.kill()
        process.communicate()
        if done >= 11:  # of twelve steps: from the beginning again
            shutil.rmtree(run)
            done = 0
    status, printed = finished(command())
    left = [path.name for path in run.rglob("*orbax-checkpoint-tmp*")]
    outcome = "the same end" if status == 0 and same(whole / "run", run) else f"ANOTHER END: {printed}"
    return f"{outcome}, {left or 'nothing'} left behind"


def rows(run):
    """The last step in a run's metrics."""
    return max((row["step"] for row in metrics_log.read(run)), default=0)


def testing(folder, whole, cache, chance, count):
    """Kills while a finished run is tested; nothing of it may change."""
    before = contents(whole / "run")

    def command():
        return start("--mode=evaluate", f"--workdir={whole / 'run'}", cache=cache)

    killed_at_drawn_moments(command, count, (2.0, 8.0), chance)
    status, printed = finished(command())
    kept = {path: digest for path, digest in contents(whole / "run").items() if path in before}
    return "nothing changed" if status == 0 and kept == before else f"CHANGED: {printed}"


def flips(folder, whole, chance, count):
    """Flips one bit of a run's checkpoints, of a converted and of an exported file: is it noticed where they load?"""
    network, expected = r3d_jax.load(whole / "run"), arrays(whole / "run")
    originals = {"converted": folder / "converted.safetensors", "exported": folder / "exported.npz"}
    converted.write(originals["converted"], network, "torchvision")
    export(network, originals["exported"])
    originals["checkpoints"] = whole / "run"
    came = []
    for kind, original in originals.items():
        outcomes, copy = Counter(), folder / f"flipped{original.suffix}"
        for _ in range(count):
            (shutil.copytree if original.is_dir() else shutil.copy)(original, copy)
            stored = [path for path in (copy / "checkpoints" / "last").rglob("*") if path.is_file()] or [copy]
            flip(chance.choices(stored, [path.stat().st_size for path in stored])[0], chance)
            outcomes[what_loads(copy, expected)] += 1
            shutil.rmtree(copy) if copy.is_dir() else copy.unlink()
        came.append(f"{kind}: " + ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items())))
    return "; ".join(came)


def flip(path, chance):
    """Flips a drawn bit of a file."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def what_loads(run, expected):
    """What comes of loading a run's folder or a file."""
    try:
        found = arrays(run)
    except InputError:
        return "refused"
    apart = [found[name] for name in expected if not np.array_equal(found[name], expected[name])]
    # The checkpoint before differs in nearly everything, a flipped bit in one value.
    return "the same arrays" if not apart else "the checkpoint before" if len(apart) > 5 else "MISREAD"


def full_disks(folder, whole, cache):
    """Files cannot grow beyond a limit; then the limit is lifted and the run goes on to the same end."""
    outcomes = Counter()
    for largest in (2_000, 4_000, 8_000, 16_000, 20_000, 30_000):
        run = folder / f"limit{largest}"
        flags = tiny(whole / "data", run)
        status, printed = finished(start(*flags, largest=largest, cache=cache))
        told = "one message" if status and "Traceback" not in printed else f"NOT ONE MESSAGE: {printed}"
        status, printed = finished(start(*flags, cache=cache))
        ended = "the same end" if status == 0 and same(whole / "run", run) else f"ANOTHER END: {printed}"
        outcomes[f"{told} and {ended}"] += 1
    return ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())


def together(folder, whole, cache, count=4):
    """Several starts in one folder at a time."""
    run = folder / "run"
    ended = [finished(process) for process in [start(*tiny(whole / "data", run), cache=cache) for _ in range(count)]]
    refused = sum(status == 1 and "is in use by process" in printed for status, printed in ended)
    one = sum(status == 0 for status, _ in ended) == 1 and same(whole / "run", run)
    return f"{'one ended as alone' if one else f'NOT ONE END: {ended}'}, {refused} refused"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=10, help="kills of each kind; ten times as many flips")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    folder, chance, times = flags.folder.absolute(), random.Random(flags.seed), flags.times
    folder.mkdir(parents=True)
    cache, whole = folder / "cache", folder / "preparation" / "whole"
    attacks = {
        f"{times} kills in preparation": lambda where: preparation(where, cache, chance, times),
        f"{times} kills in training and saving": lambda where: saving(where, whole, cache, chance, times),
        f"{times} kills in testing": lambda where: testing(where, whole, cache, chance, times),
        f"{10 * times} bits flipped in each kind of file": lambda where: flips(where, whole, chance, 10 * times),
        "6 disks too small": lambda where: full_disks(where, whole, cache),
        "4 starts in one folder": lambda where: together(where, whole, cache),
    }
    for number, (name, attack) in enumerate(attacks.items()):
        where = folder / ("preparation" if not number else f"attack{number}")
        where.mkdir()
        print(json.dumps({"attack": name, "came": attack(where)}), flush=True)


if __name__ == "__main__":
    main()
