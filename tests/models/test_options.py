import jax
import jax.numpy as jnp
import pytest

from r3d_jax.models.options import check_options
from r3d_jax.models.presets import PRESETS
from r3d_jax.models.resnet3d import ResNet3D


@pytest.mark.parametrize(
    "options, message",
    [
        ({"residual": "basics"}, "`residual` .='basics'. must be one of basic, basic_r2plus1d"),
        ({"shortcut": "none"}, "`shortcut` .='none'. must be one of postactivated, preactivated, zero_padded"),
        ({"stem": "patch"}, "`stem` .='patch'. must be one of resnext3d, r2plus1d"),
        ({"blocks": (1, 1)}, "`temporal_kernels` .* must have one entry for each of the 2 stages"),
        ({"blocks": (2, 0, 2, 2)}, r"`blocks` .=\(2, 0, 2, 2\). must be at least 1"),
        ({"planes": 0}, "`planes` .=0. must be at least 1"),
        ({"temporal_kernels": ((3,), (), (3,), (3,))}, "`temporal_kernels` .* must be at least 1, and not empty"),
        ({"temporal_kernels": ((3,), (2,), (3,), (3,))}, "`temporal_kernels` .* must be odd"),
        ({"stem_pool_kernel": (0, 3)}, "`stem_pool_kernel` .* must be at least 1"),
        ({"temporal_pools": (0,)}, "`temporal_pools` .* must be at least 1"),
        ({"temporal_pools": (1,) * 5}, "`temporal_pools` .* has more entries than `blocks` .* has stages"),
        ({"norm_epsilon": 0.0}, "`norm_epsilon` .=0.0. must be above 0"),
        ({"groups": 3}, "`groups` .=3. must divide the 64 and 64 channels"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(ResNet3D(**options).init, jax.random.key(0), jnp.zeros((1, 4, 16, 16, 3)))


@pytest.mark.parametrize("name", PRESETS)
def test_options_of_every_network_are_taken(name):
    check_options(PRESETS[name])
