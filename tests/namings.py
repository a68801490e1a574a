"""Names of the tensors of a thin network of two stages, under those of a project."""

from r3d_jax.models.classifier import build
from r3d_jax.models.presets import PRESETS
from r3d_jax.weights.torch_names import refusal_of, torch_names

FOR_STAGES = ("temporal_kernels", "temporal_conv_1x1", "temporal_strides", "spatial_strides", "temporal_pools")


def thin(name, **options):
    """The network of a preset with one block in each of two stages, and few channels."""
    staged = {option: getattr(PRESETS[name], option)[:2] for option in FOR_STAGES}
    small = {"blocks": (1, 1), "planes": 16, "stem_planes": 4, "width_per_group": 4}
    return build(name, 3, **staged | small | options)


def weights_of(name, naming, **options):
    """Names of its weights, without `.weight`: of convolutions, batch norms and the linear layer."""
    names = torch_names(thin(name, **options), naming)
    return {key.removesuffix(".weight") for key in names if key.endswith(".weight")}


def refused(name, naming, **options):
    """What of the network the project has no names for."""
    return refusal_of(thin(name, **options), naming)
