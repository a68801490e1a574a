"""`r3d_jax check`: what is wrong with which of a folder's or a table's videos, and what training would make of them."""

from r3d_jax.cli.flags import Flags, path

TEXT = (
    "Decodes every video of a folder or a table and tells what is wrong with which, how many there are of which class, "
    "and what would be trained and tested on; exit status 1 if anything is wrong."
)


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax check` to its parser."""
    flags.add_argument(
        "source",
        metavar="PATH",
        type=path,
        help="folder with videos in it and below, or a .csv or .tsv of paths and labels",
    )
    flags.add_argument(
        "--frames", type=int, default=8, help="frames of a clip; videos with too few for one are told; default: 8"
    )
    flags.add_argument(
        "--stride", type=int, default=1, help="distance of a clip's frames in frames of the video; default: 1"
    )
    flags.add_argument("--workers", type=int, default=0, help="threads that decode; default: one for each core")


def call(source, **flags) -> int:
    """Prints what is wrong with which video and what training would make of all; the exit status: 1 if any is wrong."""
    from r3d_jax.data.survey import survey

    report = _report(source, flags)
    facts, faults = survey(source, report.read, frames=flags["frames"], stride=flags["stride"])
    print("\n".join([*report.lines(), *facts, *faults]))
    return 1 if report.findings or faults else 0


def _report(source, flags):
    from r3d_jax.data.listing import TABLES, read_table
    from r3d_jax.video.check import check, check_files

    if source.is_dir() or source.suffix.lower() not in TABLES:
        return check(source, **flags)  # says where there is no such folder
    return check_files([entry.path for entry in read_table(source).entries], source.parent, **flags)
