"""`r3d_jax features`: what a block of a network makes of each video, as vectors in one file."""

import sys

from r3d_jax.cli.flags import Flags, add_network, add_onednn, add_reading, add_videos, path

TEXT = "Writes pooled features of each video into one file; exit status 1 if any video cannot be read."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax features` to its parser."""
    add_network(flags)
    add_videos(flags)
    add = flags.add_argument
    add("out", metavar="OUT", type=path, help="file to write, called *.npz or *.parquet")
    add("--block", default="", help="block of the network that is pooled; default: the one that the head reads")
    add("--each_view", action="store_true", help="a row for each view of a video, in place of the views' mean")
    add_reading(flags, together="videos that run through the network together")
    add_onednn(flags)


def call(source, checkpoint, videos, out, **options) -> int:
    """Writes the file and prints what is in it; the exit status: 1 if any video failed."""
    from tqdm import tqdm

    from r3d_jax.cli.inputs import named_videos
    from r3d_jax.compiling import keep_programs
    from r3d_jax.inference.features_file import save_features
    from r3d_jax.weights.load import load

    def tell(line):
        tqdm.write(line, file=sys.stderr)

    keep_programs()
    network, named = load(source, checkpoint), named_videos(videos)
    for each in named:
        if each.reason:
            tell(f"{each.path}: {each.reason}")
    there = [each.path for each in named if not each.reason]
    failed = save_features(network, there, out, source=str(source), tell=tell, **options)
    count = len(named) - len(there) + len(failed)
    print(f"{out}: features of {len(named) - count:,} videos")
    if count:
        print(f"{count} of {len(named)} videos failed", file=sys.stderr)
    return 1 if count else 0
