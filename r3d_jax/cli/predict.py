"""`r3d_jax predict`: predictions on standard output as they come, all else on standard error."""

import shutil
import sys

from r3d_jax.cli.flags import Flags, add_dtype, add_network, add_reading, add_videos, path
from r3d_jax.errors import InputError
from r3d_jax.settings import check_least

TEXT = "Prints the likeliest classes of each video; exit status 1 if any cannot be read."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax predict` to its parser."""
    add_network(flags)
    add_videos(flags)
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
        choices=("table", "json", "csv"),
        default="",
        help="form of what is printed; default: a table on a terminal, JSON lines elsewhere",
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


def call(
    source, checkpoint, videos, top, threshold, format, views, batch_size, workers, dtype, timeline, hop, plots
) -> int:
    """Prints the classes of `videos`, or of every stretch of each; the exit status: 1 if any failed."""
    check_least(top=(top, 0), views=(views, 0), batch_size=(batch_size, 1), workers=(workers, 1), hop=(hop, 0))
    if threshold is not None and not 0 < threshold <= 1:
        raise InputError(f"`threshold` (={threshold:g}) must be a probability above 0, and at most 1")
    from tqdm import tqdm

    from r3d_jax.cli.inputs import named_videos
    from r3d_jax.cli.table import lines
    from r3d_jax.compiling import keep_programs
    from r3d_jax.inference.precision import choose_dtype
    from r3d_jax.inference.predict import THRESHOLD
    from r3d_jax.weights.load import load

    keep_programs()
    terminal = sys.stdout.isatty()
    network, named = load(source, checkpoint), named_videos(videos)
    dtype, line = choose_dtype(network, dtype)
    print(line, file=sys.stderr)
    if timeline:
        predictions = _timelines(network, named, hop, batch_size, plots, dtype)
    else:
        predictions = _whole(network, named, views=views, batch_size=batch_size, workers=workers, dtype=dtype)
    failed = set()
    columns = shutil.get_terminal_size().columns if terminal else 0
    names = [str(each.path) for each in named]
    kind = format or ("table" if terminal else "json")
    noted = _noted(predictions, failed)
    if threshold is None:
        threshold = THRESHOLD if network.multi_label and not top else 0
    how = {"top": top, "threshold": threshold, "videos": names, "columns": columns}
    for line in lines(noted, kind, network.class_names, **how):
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
    if failed:
        print(f"{len(failed)} of {len(named)} videos failed", file=sys.stderr)
    return 1 if failed else 0


def _noted(predictions, failed):
    for prediction in predictions:
        if prediction.probabilities is None:
            failed.add(prediction.video)
        yield prediction


def _whole(network, named, **options):
    """A prediction for each, also for those that the command line names in vain."""
    from r3d_jax.inference.predict import Prediction, predict

    predictions = predict(network, [each.path for each in named if not each.reason], **options)
    for each in named:
        yield Prediction(str(each.path), {"frames": 0}, None, each.reason) if each.reason else next(predictions)


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
