"""What tests of commands share: a network in a file, videos, and a way to call a command in this process."""

import pytest
from untrained import folder, make_network, network

from r3d_jax.cli.main import main
from r3d_jax.weights import converted

__all__ = ["folder", "network"]


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The file of a converted network."""
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    converted.write(path, make_network(), "classyvision")
    return path


@pytest.fixture
def run(capsys):
    """Calls a command: (exit status or message, what was printed)."""

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
        return ended.value.code, capsys.readouterr().out

    return call
