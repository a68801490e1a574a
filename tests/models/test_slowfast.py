import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from seeded import arrays_of, case_of, drawn
from siblings import check_golden, check_stages, logits, stages, tiny

from r3d_jax.models.blocks import Conv3D
from r3d_jax.models.classifier import build
from r3d_jax.models.cost import cost, parameters
from r3d_jax.models.slowfast import Fusion, SlowFast

NAME = "ptv_slowfast_r50"
FIRST = {"stem/slow": "stem-path0", "stem/fast": "stem-path1", "stem/fused": "stem-fusion"}
FIRST |= {"stage1/slow": "pathway0-stage1-block2", "stage1/fast": "pathway1-stage1-block2"}
PLACES = FIRST | {"stage1/fused": "stage1-fusion", "stage2/fused": "stage2-fusion", "stage3/fused": "stage3-fusion"}
for stage, last in ((2, 3), (3, 5), (4, 2)):
    PLACES |= {f"stage{stage}/{name}": f"pathway{p}-stage{stage}-block{last}" for p, name in ((0, "slow"), (1, "fast"))}
MODEL = build("slowfast_r50", 400, pool=(16, 2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("double", [False, True])
def test_stages_and_logits_are_pytorchvideos_and_a_head_that_reads_fast_first_has_others(double):
    read = check_golden(NAME, MODEL, PLACES, double=double)["read"]
    swapped = np.concatenate([read[..., 2048:], read[..., :2048]], -1)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        close(logits(NAME, MODEL, swapped), arrays_of(NAME)["eval_logits_float64"])


def without_lateral(monkeypatch):
    whole = Fusion.__call__
    cut = lambda self, slow, fast: whole(self, slow, fast).at[..., slow.shape[-1] :].set(0)  # noqa: E731
    monkeypatch.setattr(Fusion, "__call__", cut)


def lateral_first(monkeypatch):
    whole = Fusion.__call__
    turned = lambda self, slow, fast: jnp.roll(whole(self, slow, fast), 2 * fast.shape[-1], -1)  # noqa: E731
    monkeypatch.setattr(Fusion, "__call__", turned)


def other_frames(monkeypatch):
    monkeypatch.setattr(SlowFast, "_picked", lambda self, frames: np.arange(0, frames, self.alpha))


def later_lateral_frames(monkeypatch):
    whole = Conv3D.__call__
    later = lambda self, x: whole(self, jnp.roll(x, -1, 1) if self.spec.kernel == (7, 1, 1) else x)  # noqa: E731
    monkeypatch.setattr(Conv3D, "__call__", later)


@pytest.mark.slow
@pytest.mark.parametrize("mutate", [without_lateral, lateral_first, other_frames, later_lateral_frames])
def test_a_broken_network_is_noticed(mutate, monkeypatch):
    check_stages(NAME, stages(NAME, MODEL, {"stem/fast": "stem-path1"}))
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_stages(NAME, stages(NAME, MODEL, {"stage1/slow": FIRST["stage1/slow"]}))


def test_parameters_and_multiply_adds_are_pytorchvideos():
    options = case_of(NAME)
    assert cost(MODEL, tuple(options["input_shape"][2:])) == (options["parameters"], options["multiply_adds"])


def test_the_slow_pathway_sees_the_frames_that_each_project_picks():
    options = case_of(NAME)
    assert SlowFast()._picked(16).tolist() == options["slow_frames"] == [0, 5, 10, 15]
    assert SlowFast(slow_frames="every")._picked(16).tolist() == [0, 4, 8, 12]
    assert SlowFast(alpha=8)._picked(32).tolist() == [0, 10, 20, 31]
    assert SlowFast(alpha=8, slow_frames="every")._picked(32).tolist() == [0, 8, 16, 24]


def trunk_of(model):
    return {kind: tree["trunk"] for kind, tree in drawn(model).items()}


@pytest.mark.slow
@pytest.mark.parametrize("fast_first", [False, True])
def test_the_joined_blocks_mean_is_the_means_of_both_pathways_side_by_side(fast_first, rng):
    model = tiny("mmaction2_slowfast_r50" if fast_first else "slowfast_r50")
    ends = tuple(f"pathway{p}-stage2-block0" for p in (0, 1))
    x = rng.standard_normal((1, 4, 16, 16, 3), np.float32)
    found = jax.jit(lambda x: model.trunk.apply(trunk_of(model), x, names=(*ends, "joined")))(x)
    assert (found[ends[0]].shape, found[ends[1]].shape) == ((1, 2, 2, 2, 64), (1, 4, 2, 2, 8))
    means = [found[end].mean((1, 2, 3)) for end in (ends[::-1] if fast_first else ends)]
    close(found["joined"].mean((1, 2, 3)), np.concatenate(means, -1))


@pytest.mark.slow
@pytest.mark.parametrize("frames, slow", [(1, 1), (4, 2), (5, 3)])
def test_clips_of_any_length_are_taken(frames, slow):
    trunk, x = tiny("slowfast_r50").trunk, jax.ShapeDtypeStruct((1, frames, 16, 16, 3), np.float32)
    names = ("pathway0-stage2-block0", "joined")
    found = jax.eval_shape(lambda x: trunk.init_with_output(jax.random.key(0), x, names=names)[0], x)
    assert [found[name].shape[1] for name in names] == [slow, frames]


def test_blocks_are_named_by_pathway_and_run_up_to_the_highest_one():
    trunk = tiny("slowfast_r50").trunk
    names = trunk.block_names()
    assert names == (
        *("stem-path0", "stem-path1", "stem-fusion", "pathway0-stage1-block0", "pathway1-stage1-block0"),
        *("stage1-fusion", "pathway0-stage2-block0", "pathway1-stage2-block0", "joined"),
    )
    x = jnp.zeros((1, 2, 16, 16, 3))
    variables = jax.eval_shape(lambda: trunk.init(jax.random.key(0), x, names=("pathway1-stage1-block0",)))
    assert set(variables["params"]) == set(names[:5])


def test_without_its_norm_a_lateral_connection_is_a_convolution_alone(rng):
    slow, fast = rng.standard_normal((1, 2, 3, 3, 8)), rng.standard_normal((1, 4, 3, 3, 2))
    out, variables = jax.jit(Fusion(5, 2, None).init_with_output)(jax.random.key(0), slow, fast)
    assert out.shape == (1, 2, 3, 3, 12) and out[..., 8:].min() < 0
    assert jax.tree.map(np.shape, variables) == {"params": {"conv1": {"kernel": (5, 1, 1, 2, 4)}}}
    np.testing.assert_array_equal(out[..., :8], slow.astype(np.float32))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"slow_frames": "first"}, "`slow_frames` .='first'. must be one of linspace, every"),
        ({"alpha": 0}, "`alpha` .=0. must be at least 1"),
        ({"lateral_kernel": 4}, "`lateral_kernel` .=4. must be odd"),
        ({"planes": 48}, "`planes` .=48. must be a multiple of 32, for `beta_inverse` .=8. leaves"),
        ({"stem_planes": 4}, "`stem_planes` .=4. must be a multiple of 8"),
        ({"temporal_kernels": ((1,),)}, "`temporal_kernels` .* must have one entry for each of the 2 stages"),
        ({"fast_temporal_kernels": ((3,), (2,))}, "`fast_temporal_kernels` .* must be odd"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        parameters(tiny("slowfast_r50", **options))
