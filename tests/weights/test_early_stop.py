from r3d_jax.weights.early_stop import ended_early, mark, unmark


def test_a_run_is_marked_until_it_goes_on(tmp_path):
    assert not ended_early(tmp_path)
    unmark(tmp_path)
    mark(tmp_path, 7)
    assert ended_early(tmp_path) and [path.name for path in tmp_path.iterdir()] == ["early_stop.json"]
    unmark(tmp_path)
    assert not ended_early(tmp_path)
