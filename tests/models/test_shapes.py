import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from r3d_jax.models.classifier import build
from r3d_jax.models.parameter import parameter
from r3d_jax.models.shapes import abstract_init

SMALL = {"planes": 32, "stem_planes": 8}
NETWORKS = {  # with blocks that are equal, alternate, or are one without batch norm or squeeze-and-excitation
    "r2plus1d_18": {**SMALL, "blocks": (3, 2)},
    "i3d_r50": {**SMALL, "blocks": (2, 4), "width_per_group": 8},
    "kenshohara_preresnet_200": {**SMALL, "blocks": (3,), "width_per_group": 8},
    "slowfast_r50": {"planes": 64, "stem_planes": 16, "blocks": (3, 2)},
    "x3d_s": {"blocks": (4, 3)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_they_are_what_init_gives(name):
    model = build(name, 3, **NETWORKS[name])
    clips = jax.ShapeDtypeStruct((1, 8, 16, 16, 3), jnp.float32)
    expected = jax.eval_shape(model.init_with_output, jax.random.key(0), clips)
    assert abstract_init(model, clips)[:2] == expected
    trained = {"train": True, "freeze_until": "stem", "remat": (1,)}
    assert abstract_init(model, clips, **trained)[:2] == expected


class Scale(nn.Module):
    start: float = 1.0

    @nn.compact
    def __call__(self, x):
        return x * parameter(self, "scale", nn.initializers.constant(self.start), x.shape[-1:])


class Row(nn.Module):
    @nn.compact
    def __call__(self, x, y):
        return Scale(2.0)(Scale()(Scale()(x))), Scale()(y)


def test_equal_modules_are_counted_each_and_traced_once_for_each_shape():
    looked_at = []

    def count(module, x, out):
        looked_at.append((type(module), x.shape))
        return x.size if isinstance(module, Scale) else 0

    x, y = (jax.ShapeDtypeStruct((2, n), jnp.float32) for n in (3, 4))
    out, variables, total = abstract_init(Row(), x, y, of_call=count)
    assert total == 3 * 6 + 8 and looked_at.count((Scale, (2, 3))) == 2 and looked_at.count((Scale, (2, 4))) == 1
    assert (out, variables) == jax.eval_shape(Row().init_with_output, jax.random.key(0), x, y)
