"""`in_order`: results in the order of the items, few of them ahead."""

import threading
import time

import pytest

from r3d_jax.parallel import in_order


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    def slow_if_even(item):
        time.sleep(0.002 * (item % 2 == 0))
        return item**2

    assert list(in_order(slow_if_even, range(20), label="Squaring", workers=workers)) == [i**2 for i in range(20)]
    assert list(in_order(slow_if_even, [], label="Nothing", workers=workers)) == []


def test_no_more_than_four_results_for_each_worker_are_ahead():
    begun, lock = [], threading.Lock()

    def note(item):
        with lock:
            begun.append(item)
        return item

    results = in_order(note, range(100), label="Counting", workers=2)
    for taken in range(1, 20):
        next(results)
        time.sleep(0.001)
        assert len(begun) <= 8 + taken
    results.close()
    assert len(begun) < 100


def test_an_error_is_raised_where_its_item_stands():
    def fail(item):
        if item == 3:
            raise ValueError("item 3")
        return item

    found = []
    with pytest.raises(ValueError, match="item 3"):
        for item in in_order(fail, range(6), label="Failing", workers=2):
            found.append(item)
    assert found == [0, 1, 2]
