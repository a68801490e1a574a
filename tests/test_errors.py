import pytest

from r3d_jax.errors import InputError


def test_code_that_knows_nothing_of_this_package_catches_it():
    with pytest.raises(ValueError, match=r"`views` .=0. must be at least 1"):
        raise InputError("`views` (=0) must be at least 1")
