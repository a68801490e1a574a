import pytest

from r3d_jax.server.request import Refused, check_kind, check_sender, check_token, is_loopback, wanted


def test_what_is_not_said_is_five_classes_alone():
    assert wanted({}, classes=101) == (5, False, False, 0)
    assert wanted({"top": "7", "timeline": "1", "cam": "0"}, classes=101) == (7, True, False, 0)
    assert wanted({"cam": "1"}, classes=3) == (3, False, True, 0)


@pytest.mark.parametrize(
    "query, message",
    [
        ({"best": "1", "all": "1"}, "no parameter all, best; there are top, timeline, cam, threshold"),
        ({"top": "0"}, r"`top` .=0. must be a number from 1"),
        ({"top": "\N{SUPERSCRIPT TWO}"}, "must be a number from 1"),
        ({"threshold": "1.5"}, r"`threshold` .=1.5. must be a probability from 0 to 1, such as 0.5"),
        ({"threshold": "nan"}, "must be a probability"),
        ({"timeline": "yes"}, "`timeline` and `cam` must be 0 or 1"),
    ],
)
def test_what_is_no_parameter_is_refused(query, message):
    with pytest.raises(Refused, match=message) as refused:
        wanted(query, classes=101)
    assert refused.value.status == 400


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2:1", "localhost:8000", "LOCALHOST", "[::1]:8000"])
def test_this_machine_may_be_called_by_its_names(name):
    check_sender(name, "", "127.0.0.1")
    check_sender(name, f"http://{name}", "127.0.0.1")


@pytest.mark.parametrize(
    "asked, origin, host",
    [
        ("elsewhere.example:8000", "", "127.0.0.1"),
        ("127.0.0.1:8000", "http://127.0.0.1:9000", "127.0.0.1"),
        ("machine:8000", "http://elsewhere.example", "0.0.0.0"),
        ("[127.0.0.1].elsewhere.example", "", "127.0.0.1"),
        ("[::1]elsewhere.example", "", "127.0.0.1"),
        ("localhost:elsewhere.example", "", "localhost"),
        ("localhost.elsewhere.example", "", "127.0.0.2"),
        ("localhost@elsewhere.example", "", "127.0.0.1"),
        ("localhost:8000\n", "", "127.0.0.1"),
        ("", "", "::1"),
        ("a machine", "", "0.0.0.0"),
    ],
)
def test_other_sites_have_no_business_here(asked, origin, host):
    with pytest.raises(Refused) as refused:
        check_sender(asked, origin, host)
    assert refused.value.status == 403
    check_sender("Machine:8000", "http://machine:8000", "0.0.0.0")


def test_an_address_is_this_machines_own_or_others_too():
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.0.2.1", "machine", "localhost.elsewhere.example", "")))


def test_a_token_is_wanted_as_it_is():
    check_token("", "")
    check_token("Bearer of anything", "")
    check_token("Bearer secret", "secret")
    for given in ("", "secret", "Bearer", "Bearer secre", "Bearer secret ", "bearer secret", "Bearer \udcff"):
        with pytest.raises(Refused, match="Authorization: Bearer TOKEN") as refused:
            check_token(given, "secret")
        assert refused.value.status == 401


def test_a_form_is_refused_with_the_remedy():
    check_kind("application/x-www-form-urlencoded")  # what curl --data-binary says
    check_kind("video/mp4")
    with pytest.raises(Refused, match="curl --data-binary @FILE") as refused:
        check_kind("multipart/form-data")
    assert refused.value.status == 415


def test_a_threshold_gives_all_classes_that_reach_it():
    assert wanted({}, classes=101, threshold=0.5) == (101, False, False, 0.5)
    assert wanted({"top": "3"}, classes=101, threshold=0.5) == (3, False, False, 0)
    assert wanted({"threshold": "0.25"}, classes=101) == (101, False, False, 0.25)
    assert wanted({"threshold": "0.25", "top": "3"}, classes=101, threshold=0.5) == (3, False, False, 0.25)
    assert wanted({"threshold": "0"}, classes=101, threshold=0.5) == (5, False, False, 0)
