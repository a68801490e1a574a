"""`r3d_jax cam`: what speaks for a class, painted over a video."""

from r3d_jax.cli.flags import add_network, path

TEXT = "Writes a video in which one sees what speaks for a class (Grad-CAM)."


def add_flags(flags) -> None:
    """The flags of `cam`."""
    add_network(flags)
    flags.add_argument("video", type=path, help="file that the network is shown")
    flags.add_argument("out", type=path, help="file to write, *.mp4 or *.gif")
    flags.add_argument("--class", dest="label", metavar="CLASS", default="", help="default: the likeliest")
    flags.add_argument("--block", default="", help="whose output is mapped; default: the one that the head reads")
    flags.add_argument("--size", type=int, default=256, help="short edge of the frames that are written, in pixels")


def call(source, checkpoint, video, out, **flags) -> int:
    """Writes the video, and prints what it shows."""
    from r3d_jax.compiling import keep_programs
    from r3d_jax.inference.cam_video import cam_video
    from r3d_jax.weights.load import load

    keep_programs()
    print("\n".join(cam_video(load(source, checkpoint), video, out, **flags)))
    return 0
