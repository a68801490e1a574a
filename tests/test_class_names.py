import csv
import io

import pytest

from r3d_jax.class_names import check_class_names, joined, names_in
from r3d_jax.errors import InputError

BREAKS = ["\n", "\r", "\u2028", "\u2029", "\x85", "\f", "\v", "\0", "\x1b", "\t", "\udc80"]


@pytest.mark.parametrize("name", [*(f"run{each}fast" for each in BREAKS), " run", "run ", "run\u00a0", "", "\n"])
def test_a_name_that_would_not_come_back_from_a_file_is_refused(name):
    with pytest.raises(InputError) as refused:
        check_class_names(["sit", name], "mine.csv")
    message = str(refused.value)
    assert repr(name) in message and "of mine.csv must be one line" in message and "rename the class" in message
    assert len(message.splitlines()) == 1


def test_any_other_name_is_taken():
    check_class_names(["ride, slowly", "Käse essen", "走る", "=cmd()", "a\u200bb", "👍🏽", '"run"'], "mine.csv")


def test_lines_end_at_line_feeds_alone():
    names = ("run\u2028fast", "sit\x85", "a\x0cb", " blank ")
    assert names_in("".join(f"{name}\n" for name in names)) == names == names_in("\n".join(names))
    assert names_in("") == () and names_in("a\n\nb\n") == ("a", "", "b")
    assert list(csv.reader(io.StringIO("a\u2028b"))) == [["a\u2028b"]]  # nor does a table's row end elsewhere


@pytest.mark.parametrize(
    "names, expected", [(("a", "b"), "a;b"), (("a;1", "b"), "a;1|b"), (("a;1", "b|2"), "a;1\tb|2"), ((), "")]
)
def test_names_in_one_cell_can_be_told_apart(names, expected):
    assert joined(names, names) == expected
