"""`r3d_jax check`: what is wrong with which of a folder's videos."""

from r3d_jax.cli.flags import path

TEXT = "Decodes every video of a folder or a table and tells what is wrong with which; exit status 1 if anything is."


def add_flags(flags) -> None:
    """The flags of `check`."""
    flags.add_argument(
        "source", type=path, help="folder with videos in it and below, or a .csv or .tsv that lists them"
    )
    flags.add_argument(
        "--frames", type=int, default=8, help="frames of a clip; videos with too few for one are reported"
    )
    flags.add_argument("--stride", type=int, default=1, help="from one frame of a clip to the next, in frames")
    flags.add_argument("--workers", type=int, default=0, help="threads that decode; default: one for each core")


def call(source, **flags) -> int:
    """Prints the findings; 1 if there are any."""
    from r3d_jax.data.video_folder import TABLES, read_table
    from r3d_jax.video.check import check, check_files

    if source.suffix.lower() in TABLES:
        files = [entry.path for entry in read_table(source)]
        report = check_files(files, source.parent, **flags)
    else:
        report = check(source, **flags)
    print("\n".join(report.lines()))
    return 1 if report.findings else 0
