from r3d_jax.server.metrics import make_metrics, text_of


def test_counts_and_what_is_asked_when_someone_looks():
    active = []
    metrics = make_metrics(active=lambda: len(active), held=lambda: 7, lost=lambda: 1)
    metrics.requests.labels(200).inc()
    metrics.seconds.observe(0.2)
    active.append("request")
    lines = text_of(metrics).decode().splitlines()
    assert 'r3d_jax_requests_total{status="200"} 1.0' in lines
    assert 'r3d_jax_response_seconds_bucket{le="0.3"} 1.0' in lines
    assert {"r3d_jax_active_requests 1.0", "r3d_jax_held_bytes 7.0", "r3d_jax_lost_decoders 1.0"} < set(lines)
    other = text_of(make_metrics(active=lambda: 0, held=lambda: 0, lost=lambda: 0)).decode()
    assert 'status="200"' not in other
