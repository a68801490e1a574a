from namings import refused, weights_of


def test_the_last_of_a_branch_is_numbered_or_lettered():
    """Blocks and names as the reference has them; golden cases hold all of it."""
    names = weights_of("r3d_50", "classyvision")
    prefix = "trunk.stages.1.pathway0.pathway0-stage2-block0"
    assert {f"{prefix}.residual.branch2c", f"{prefix}.residual.branch2c_bn", f"{prefix}.skip.branch1_bn"} < names
    assert f"{prefix}.residual.transform.3" in weights_of("r3d_18", "classyvision")
    assert "trunk.stem.stem.stem-path0.conv.3" in weights_of("kenshohara_r2plus1d_18", "classyvision")


def test_every_other_network_is_called_in_its_manner():
    assert not refused("ipcsn_152", "classyvision")
    assert "trunk.stages.0.pathway0.pathway0-stage1-block0.residual.branch2d" in weights_of("ipcsn_152", "classyvision")
