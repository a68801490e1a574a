"""`r3d_jax cam`: what speaks for a class, painted over a video."""

from r3d_jax.cli.flags import Flags, add_network, add_onednn, path

TEXT = "Writes a video in which one sees what speaks for a class (Grad-CAM)."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax cam` to its parser."""
    add_network(flags)
    flags.add_argument("video", metavar="VIDEO", type=path, help="video file that the network is shown")
    flags.add_argument("out", metavar="OUT", type=path, help="file to write, called *.mp4 or *.gif")
    flags.add_argument(
        "--class", dest="label", metavar="CLASS", default="", help="name of the class; default: the likeliest"
    )
    flags.add_argument(
        "--block", default="", help="block of the network whose output is mapped; default: the one that the head reads"
    )
    flags.add_argument(
        "--size", type=int, default=256, help="short edge in pixels of the frames that are written; default: 256"
    )
    add_onednn(flags)


def call(source, checkpoint, video, out, **flags) -> int:
    """Writes the video and prints what it shows; the exit status."""
    from r3d_jax.compiling import keep_programs
    from r3d_jax.inference.cam_video import cam_video
    from r3d_jax.weights.load import load

    keep_programs()
    print("\n".join(cam_video(load(source, checkpoint), video, out, **flags)))
    return 0
