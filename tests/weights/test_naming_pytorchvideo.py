from namings import refused, weights_of

STAGE = {f"res_blocks.0.branch1_{kind}" for kind in ("conv", "norm")}
STAGE |= {f"res_blocks.0.branch2.{kind}_{letter}" for kind in ("conv", "norm") for letter in "abc"}
STEM = {"blocks.0.conv", "blocks.0.norm"}


def test_stages_are_blocks_of_a_list():
    expected = STEM | {f"blocks.{stage}.{name}" for stage in (1, 2) for name in STAGE} | {"blocks.3.proj"}
    for name in ("slow_r50", "csn_r101"):
        assert weights_of(name, "pytorchvideo") == expected


def test_a_pool_has_a_place_among_them():
    expected = STEM | {f"blocks.{stage}.{name}" for stage in (1, 3) for name in STAGE} | {"blocks.4.proj"}
    assert weights_of("pytorchvideo_i3d_r50", "pytorchvideo") == expected


def test_a_factorised_middle_is_named_by_its_halves():
    names = weights_of("r2plus1d_r50", "pytorchvideo")
    middle = {"conv_b.conv_t", "conv_b.norm", "conv_b.conv_xy", "norm_b"}
    ends = {"conv_a", "norm_a", "conv_c", "norm_c"}
    assert {
        name.partition("branch2.")[2] for name in names if "blocks.1.res_blocks.0.branch2." in name
    } == ends | middle


def test_what_it_does_not_have_is_refused():
    assert refused("r3d_18", "pytorchvideo") == "a network of `residual` 'basic'"
    pools = refused("slow_r50", "pytorchvideo", temporal_pools=(1, 2))
    assert pools == "a pool behind another stage than the first"
