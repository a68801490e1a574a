"""`r3d_jax predict`: predictions on standard output as they come, all else on standard error."""

import shutil
import sys

from r3d_jax.cli.flags import (
    Flags,
    add_dtype,
    add_network,
    add_onednn,
    add_reading,
    add_runner,
    add_videos,
    check_threshold,
    path,
)
from r3d_jax.errors import InputError
from r3d_jax.settings import check_least

TEXT = "Prints the likeliest classes of each video; exit status 1 if any cannot be read."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax predict` to its parser."""
    add_network(flags)
    add_videos(flags, "*")
    add = flags.add_argument
    add("--top", type=int, default=0, help="classes of each video; default: 5, in a table as many of them as fit")
    add(
        "--threshold",
        type=float,
        default=None,
        help="give all classes of at least this probability, with --top at most so many; default: 0.5 for a network "
        "whose videos have several labels (multi-label), unless --top is given",
    )
    add(
        "--format",
        choices=("table", "json", "csv", "parquet"),
        default="",
        help="form of what is printed; default: a table on a terminal, JSON lines elsewhere; of --out json or parquet",
    )
    add_reading(flags, together="videos that run through the network together, or clips of a timeline")
    add_dtype(flags)
    add("--timeline", action="store_true", help="slide over each video, which may be of any length, and draw a picture")
    add("--hop", type=int, default=0, help="frames from one clip of a timeline to the next; default: half a clip")
    add(
        "--plots",
        metavar="FOLDER",
        type=path,
        default=path("timelines"),
        help="folder for the pictures of timelines; default: timelines",
    )
    add("--list", dest="listed", metavar="FILE", type=path, help="file of further videos, one a line")
    add(
        "--out",
        metavar="PREFIX",
        type=path,
        help="write PREFIX-00000-of-00010.jsonl and so on in place of printing; what is there is not done again",
    )
    add("--shards", metavar="COUNT", type=int, default=0, help="files of --out; default: one for each 100 videos")
    add_runner(flags, otherwise="this process predicts")
    add_onednn(flags)


def call(source, checkpoint, videos, listed, top, threshold, format, dtype, timeline, hop, plots, **flags) -> int:
    """Prints or writes the classes of `videos`, or of every stretch of each; the exit status: 1 if any failed."""
    reading = {name: flags.pop(name) for name in ("views", "batch_size", "workers")}
    batch_size = reading["batch_size"]
    check_least(top=(top, 0), views=(reading["views"], 0), batch_size=(batch_size, 1), workers=(reading["workers"], 1))
    check_least(hop=(hop, 0), shards=(flags["shards"], 0))
    check_threshold(threshold)
    options = _check_out(format, timeline, **flags)
    from tqdm import tqdm

    from r3d_jax.cli.inputs import lines_of, named_videos
    from r3d_jax.cli.table import lines
    from r3d_jax.compiling import keep_programs
    from r3d_jax.inference.precision import choose_dtype
    from r3d_jax.inference.predict import THRESHOLD
    from r3d_jax.weights.load import load

    keep_programs()
    terminal = sys.stdout.isatty()
    network, named = load(source, checkpoint), named_videos([*videos, *(lines_of(listed) if listed else ())])
    dtype, line = choose_dtype(network, dtype)
    print(line, file=sys.stderr)
    reading["dtype"] = dtype
    if threshold is None:
        threshold = THRESHOLD if network.multi_label and not top else 0
    if flags["out"]:
        from r3d_jax.cli.shards import predict_shards

        which = {"top": top, "threshold": threshold, "reading": reading, "options": options}
        where = {"source": source, "checkpoint": checkpoint, "shards": flags["shards"], "kind": format or "json"}
        return predict_shards(network, named, flags["out"], **where, **which)
    if timeline:
        predictions = _timelines(network, named, hop, batch_size, plots, dtype)
    else:
        predictions = _whole(network, named, **reading)
    failed = set()
    columns = shutil.get_terminal_size().columns if terminal else 0
    names = [str(each.path) for each in named]
    kind = format or ("table" if terminal else "json")
    noted = _noted(predictions, failed)
    how = {"top": top, "threshold": threshold, "videos": names, "columns": columns}
    for line in lines(noted, kind, network.class_names, **how):
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
    if failed:
        print(f"{len(failed)} of {len(named)} videos failed", file=sys.stderr)
    return 1 if failed else 0


def _check_out(kind, timeline, *, out, shards, runner, settings=()):
    """Refuses what does not go together; Beam's options where it has a `runner`."""
    if not out:
        if shards or runner or kind == "parquet":
            what = "`shards`" if shards else "`runner`" if runner else "`format` parquet"
            raise InputError(f"{what} is of files that are written: name them with `out`")
        return None
    if timeline or kind in ("table", "csv"):
        raise InputError(f"`out` is written as json or parquet, not as {'a timeline' if timeline else kind}")
    if not runner:
        return None
    from r3d_jax.pipelines import options_of

    return options_of(runner, settings, processes=1)  # one process has all cores compute


def _noted(predictions, failed):
    for prediction in predictions:
        if prediction.probabilities is None:
            failed.add(prediction.video)
        yield prediction


def _whole(network, named, **options):
    """A prediction for each, also for those that the command line names in vain."""
    from r3d_jax.inference.predict import make_predict, predict_known

    return predict_known(make_predict(network, **options), [(str(each.path), each.reason) for each in named])


def _timelines(network, named, hop, batch_size, plots, dtype):
    """Predictions for the stretches of each, which are drawn where there are any."""
    from tqdm import tqdm

    from r3d_jax.inference.forward import make_forward
    from r3d_jax.inference.predict import Prediction
    from r3d_jax.inference.timeline import Curve, draw, free_path, timeline

    forward = make_forward(network, dtype=dtype)
    for each in named:
        if each.reason:
            yield Prediction(str(each.path), {"start": 0.0, "end": 0.0}, None, each.reason)
            continue
        curve = Curve()
        with tqdm(desc=each.path.name, unit="s", disable=None, leave=False) as bar:  # seconds of the video
            for prediction in timeline(network, forward, each.path, hop=hop, batch_size=batch_size):
                if prediction.probabilities is not None:
                    curve.add(prediction)
                bar.update(prediction.where["end"] - bar.n)
                yield prediction
        if len(curve):
            picture = free_path(plots, each.path.stem, ".png")
            draw(curve, network.class_names, each.path.name, picture)
            print(f"{each.path}: drawn in {picture}", file=sys.stderr)
