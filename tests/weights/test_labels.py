import hashlib

import pytest

from r3d_jax.weights.labels import LABELS, labels

COUNTS = {"kinetics400": 400, "kinetics600": 600, "kinetics700": 700, "kinetics710": 710, "something_something_v2": 174}


@pytest.mark.parametrize("name", LABELS)
def test_each_class_has_one_name(name):
    found = labels(name)
    assert len(found) == len(set(found)) == COUNTS[name]
    assert all(each and each == each.strip() and '"' not in each for each in found)


@pytest.mark.parametrize("name", sorted(set(LABELS) - {"kinetics710"}))
def test_they_are_in_the_order_of_the_alphabet(name):
    assert list(labels(name)) == sorted(labels(name))


def test_other_projects_number_them_so():
    """PyTorchVideo's kinetics_classnames.json, sorted by its numbers and without its quotes, has this digest too."""
    assert hashlib.sha256("\n".join(labels("kinetics400")).encode()).hexdigest().startswith("a8dafb93a1204d4e")
    assert labels("kinetics710")[398:401] == ("yoga", "zumba", "poaching eggs")  # mmaction2's order
    assert labels("something_something_v2")[0] == "Approaching something with your camera"


def test_larger_kinetics_have_most_classes_of_smaller_ones():
    smaller, larger = (set(labels(name)) for name in ("kinetics400", "kinetics710"))
    assert len(smaller - larger) < 40
