"""`r3d_jax predict`: predictions on standard output as they come, all else on standard error."""

import shutil
import sys

from r3d_jax.cli.flags import add_network, path
from r3d_jax.errors import InputError

TEXT = "Prints the likeliest classes of each video; exit status 1 if any cannot be read."


def add_flags(flags) -> None:
    """The flags of `predict`."""
    add_network(flags)
    flags.add_argument("videos", nargs="+", metavar="VIDEO", help="file, folder or pattern; - for a list on stdin")
    flags.add_argument("--top", type=int, default=0, help="classes of each video; default: 5, in a table what fits")
    flags.add_argument(
        "--format",
        choices=("table", "json", "csv"),
        default="",
        help="default: a table on a terminal, JSON lines elsewhere",
    )
    flags.add_argument("--views", type=int, default=0, help="clips of each video; default: as in testing")
    flags.add_argument("--batch", type=int, default=4, help="videos (or, of a timeline, clips) at a time")
    flags.add_argument("--workers", type=int, default=2, help="threads that read")
    flags.add_argument("--timeline", action="store_true", help="slide over each video, of any length")
    flags.add_argument("--hop", type=int, default=0, help="frames between a timeline's clips; default: half a clip")
    flags.add_argument("--plots", type=path, default=path("timelines"), help="folder for the timelines' pictures")


def call(source, checkpoint, videos, top, format, views, batch, workers, timeline, hop, plots) -> int:
    """Prints the classes of `videos`, or of every stretch of each; 1 if any failed."""
    given = {"top": (top, 0), "views": (views, 0), "batch": (batch, 1), "workers": (workers, 1), "hop": (hop, 0)}
    below = [f"--{name} (={value}) must be at least {least}" for name, (value, least) in given.items() if value < least]
    if below:
        raise InputError("; ".join(below))
    from tqdm import tqdm

    from r3d_jax.cli.inputs import named_videos
    from r3d_jax.cli.table import lines
    from r3d_jax.compiling import keep_programs
    from r3d_jax.weights.load import load

    keep_programs()
    terminal = sys.stdout.isatty()
    network, named = load(source, checkpoint), named_videos(videos)
    if timeline:
        found = _timelines(network, named, hop, batch, plots)
    else:
        found = _whole(network, named, views=views, batch_size=batch, workers=workers)
    failed = set()
    columns = shutil.get_terminal_size().columns if terminal else 0
    names = [str(each.path) for each in named]
    kind = format or ("table" if terminal else "json")
    for line in lines(_noted(found, failed), kind, network.class_names, top=top, videos=names, columns=columns):
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
    if failed:
        print(f"{len(failed)} of {len(named)} videos failed", file=sys.stderr)
    return 1 if failed else 0


def _noted(found, failed):
    for prediction in found:
        if prediction.probabilities is None:
            failed.add(prediction.video)
        yield prediction


def _whole(network, named, **options):
    """A prediction for each, also for those that the command line names in vain."""
    from r3d_jax.inference.predict import Prediction, predict

    found = predict(network, [each.path for each in named if not each.reason], **options)
    for each in named:
        yield Prediction(str(each.path), {"frames": 0}, None, each.reason) if each.reason else next(found)


def _timelines(network, named, hop, batch_size, plots):
    from tqdm import tqdm

    from r3d_jax.inference.forward import make_forward
    from r3d_jax.inference.predict import Prediction
    from r3d_jax.inference.timeline import Curve, draw, free_path, timeline

    forward = make_forward(network)
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
