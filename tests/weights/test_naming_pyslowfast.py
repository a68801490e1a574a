from namings import refused, weights_of


def test_every_stage_has_a_pathway():
    expected = {"s1.pathway0_stem.conv", "s1.pathway0_stem.bn", "head.projection"}
    for stage in (2, 3):
        parts = ("branch1", "branch1_bn", *(f"branch2.{letter}{end}" for letter in "abc" for end in ("", "_bn")))
        expected |= {f"s{stage}.pathway0_res0.{part}" for part in parts}
    for name in ("i3d_r50", "pytorchvideo_i3d_r50", "slow_r50", "c2d_r50"):
        assert weights_of(name, "pyslowfast") == expected


def test_what_it_does_not_have_is_refused():
    assert refused("csn_r101", "pyslowfast") == "a network of `residual` 'ircsn_bottleneck'"
