"""The names of the classes of large data sets, in the order of the heads that were trained on them."""

from importlib import resources

from r3d_jax.class_names import names_in

# Each is a text file beside this one. Kinetics: Kay et al., arXiv:1705.06950, and its successors; in alphabetical order
# but for Kinetics-710, whose order is mmaction2's. Something-Something v2: Goyal et al., arXiv:1706.04261.
LABELS = ("kinetics400", "kinetics600", "kinetics700", "kinetics710", "something_something_v2")


def labels(name: str) -> tuple[str, ...]:
    """The class names of a data set, as published networks order them: `labels("kinetics400")[0]` is "abseiling".

    Args:
      name: one of LABELS.
    """
    return names_in(resources.files("r3d_jax.weights").joinpath(f"{name}.txt").read_text(encoding="utf-8"))
