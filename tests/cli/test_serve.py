import pytest


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--seconds", 0, "--requests=-1"), "error: --seconds (=0), --requests (=-1) must be above 0"),
        (("--max_mb=0",), "error: --max_mb (=0) must be above 0"),
        (("--port", 100_000), "error: --port (=100000) must be from 0 to 65535"),
        (("--host", "192.0.2.1"), "name another --host or --port"),
    ],
)
def test_mistakes_name_flags(run, source, flags, message):
    status, _ = run("serve", source, *flags)
    assert status.startswith("error: ") and message in status


def test_the_network_is_served_under_its_files_name_within_limits(run, source, monkeypatch):
    served = []
    monkeypatch.setattr("r3d_jax.server.server.serve", lambda network, **options: served.append((network, options)))
    monkeypatch.chdir(source.parent)
    assert run("serve", "tiny.safetensors", "--port=0", "--max_mb", 0.5)[0] == 0
    ((network, options),) = served
    assert network.class_names == ("ride", "run", "swim")
    assert options == {"name": "tiny.safetensors", "host": "127.0.0.1", "port": 0, "limits": (0.5, 60, 8)}
