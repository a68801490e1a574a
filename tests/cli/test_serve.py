import os

import pytest


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--seconds", 0, "--requests=-1"), "error: --seconds (=0), --requests (=-1) must be above 0"),
        (("--max_mb=0",), "error: --max_mb (=0) must be above 0"),
        (("--port", 100_000), "error: --port (=100000) must be from 0 to 65535"),
        (("--host", "192.0.2.1", "--token=x"), "name another --host or --port"),
        (("--host", "0.0.0.0"), "error: --host (=0.0.0.0) lets others in: give a --token that they have to send"),
    ],
)
def test_mistakes_name_flags(run, source, flags, message):
    status, _ = run("serve", source, *flags)
    assert status.startswith("error: ") and message in status


def test_the_network_is_served_under_its_files_name_within_limits(run, source, monkeypatch):
    served = []
    monkeypatch.setattr(
        "r3d_jax.server.server.serve", lambda network, **options: served.append((network, options)) or True
    )
    monkeypatch.chdir(source.parent)
    assert run("serve", "tiny.safetensors", "--port=0", "--max_mb", 0.5, "--dtype=bfloat16")[0] == 0
    ((network, options),) = served
    assert network.class_names == ("ride", "run", "swim")
    expected = {"name": "tiny.safetensors", "host": "127.0.0.1", "port": 0, "limits": (0.5, 60, 8), "token": ""}
    assert options == expected | {"dtype": "bfloat16"}


def test_a_token_may_stand_in_the_environment(run, source, monkeypatch):
    served = []
    monkeypatch.setattr("r3d_jax.server.server.serve", lambda _, **options: served.append(options["token"]) or True)
    monkeypatch.setenv("R3D_JAX_TOKEN", "secret")
    assert run("serve", source)[0] == run("serve", source, "--token", "other")[0] == 0
    assert served == ["secret", "other"]


def test_what_the_network_is_still_computing_is_not_waited_for(run, source, monkeypatch):
    monkeypatch.setattr("r3d_jax.server.server.serve", lambda _, **__: False)
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    run("serve", source)
    assert ended == [0]
