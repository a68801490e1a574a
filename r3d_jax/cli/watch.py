"""`r3d_jax watch`: what a network sees in a camera, a stream, or a file at its own speed."""

import datetime
import json
import sys
import time

from r3d_jax.cli.flags import Flags, add_dtype, add_network, add_onednn, check_threshold, path
from r3d_jax.errors import InputError

TEXT = "Watches a camera, a stream, or a file at its own speed, and prints the classes of what was there last."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax watch` to its parser."""
    add_network(flags)
    add = flags.add_argument
    add("watched", metavar="SOURCE", help="camera (/dev/video0), address (rtsp, rtsps, http, https), or file")
    add(
        "--threshold",
        type=float,
        default=None,
        help="give the classes of at least this probability; default: 0.5 for a network whose videos have several "
        "labels (multi-label), else the likeliest class whatever its probability",
    )
    add(
        "--smoothing",
        type=float,
        default=0.0,
        help="seconds over which probabilities are averaged, later ones with more weight; default: 0, each clip by "
        "itself",
    )
    add(
        "--save",
        metavar="FOLDER",
        type=path,
        default=None,
        help="write the stretches in which a class reaches `--threshold` as videos, as the network has seen them",
    )
    add_dtype(flags)
    add_onednn(flags)


def call(source, checkpoint, watched, threshold, smoothing, save, dtype) -> int:
    """Prints the classes of the last clip until the file ends, or Ctrl-C is pressed; the exit status."""
    check_threshold(threshold)
    if not 0 <= smoothing < float("inf"):
        raise InputError(f"`smoothing` (={smoothing:g}) must be a number of seconds, from 0")
    from collections import Counter

    from r3d_jax.compiling import keep_programs
    from r3d_jax.inference.precision import choose_dtype
    from r3d_jax.inference.predict import THRESHOLD
    from r3d_jax.inference.recording import recorded
    from r3d_jax.inference.watch import watch
    from r3d_jax.weights.load import load

    keep_programs()
    network, counts = load(source, checkpoint), Counter()
    threshold = THRESHOLD if threshold is None and network.multi_label else threshold or 0.0
    if save and not threshold:
        raise InputError("`save` needs a `threshold`: what reaches it is written")
    dtype, line = choose_dtype(network, dtype)
    _told(line)
    seen = watch(network, watched, smoothing=smoothing, dtype=dtype, counts=counts, told=_told)
    if save:
        seen = recorded(seen, save, network.class_names, threshold, told=_told)
    try:
        for line in lines(seen, network.class_names, threshold, terminal=sys.stdout.isatty()):
            print(line, flush=True)
    except KeyboardInterrupt:
        pass
    _told(summary(counts))
    return 0


def lines(seen, class_names, threshold, *, terminal, now=time.time):
    """What is printed of each clip: JSON, or for a `terminal` a line where the classes are other than before."""
    from r3d_jax.cli.table import count_of
    from r3d_jax.inference.predict import as_rows, best

    before, count = None, count_of(int(terminal and not threshold), threshold, class_names)
    for each in seen:
        pairs = best(each.probabilities, class_names, count, threshold)
        if not terminal:
            yield json.dumps(
                {
                    "time": datetime.datetime.fromtimestamp(now()).astimezone().isoformat(timespec="milliseconds"),
                    "start": round(each.stretch.start, 3),
                    "end": round(each.stretch.end, 3),
                    "top": as_rows(pairs),
                },
                ensure_ascii=False,
                allow_nan=False,
            )
        elif (names := {name for name, _ in pairs}) != before:
            before = names
            told = "   ".join(f"{p:6.1%} {name}" for name, p in pairs) or "  none"
            yield f"{time.strftime('%H:%M:%S', time.localtime(now()))} {told}"


def summary(counts) -> str:
    """One line on what has been watched, and what of it has been left out."""
    return (
        f"{counts['frames']:,} frames, and {counts['dropped']:,} dropped that came too late; "
        f"{counts['clips']:,} clips looked at, {counts['passed']:,} passed over"
    )


def _told(line):
    print(line, file=sys.stderr, flush=True)
