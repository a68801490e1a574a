"""What a request asks for, and which requests are refused before any video is read."""

import hmac
import ipaddress
import re
from collections.abc import Mapping
from typing import NamedTuple

HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[0-9a-z._-]+))(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)


class Refused(Exception):
    """A request that gets no predictions: the HTTP status of its response, and why."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class Wanted(NamedTuple):
    """What a request asks for: how many classes of what probability, their course over time, pictures under maps.

    Attributes:
      top: at most so many classes.
      timeline, cam: whether the classes' course and the pictures are asked for.
      threshold: the least probability that is given; 0: any.
    """

    top: int
    timeline: bool
    cam: bool
    threshold: float = 0.0


def wanted(query: Mapping[str, str], classes: int, threshold: float = 0.0) -> Wanted:
    """What the parameters of a request's address ask for.

    Args:
      query: the parameters by name.
      classes: how many the network tells apart; no more are given.
      threshold: the least probability that is given where the request has neither `top` nor `threshold`.

    Raises:
      Refused: 400: an unknown parameter, or a value that a parameter cannot have.
    """
    unknown = set(query) - set(Wanted._fields)
    if unknown:
        raise Refused(400, f"no parameter {', '.join(sorted(unknown))}; there are {', '.join(Wanted._fields)}")
    least = query.get("threshold", "0" if "top" in query else str(threshold))
    if not re.fullmatch(r"0(\.[0-9]{1,9})?|1(\.0{1,9})?", least):
        raise Refused(400, f"`threshold` (={least}) must be a probability from 0 to 1, such as 0.5")
    top = query.get("top", str(classes) if float(least) else "5")
    if not re.fullmatch("[1-9][0-9]{0,8}", top):
        raise Refused(400, f"`top` (={top}) must be a number from 1")
    flags = [query.get(name, "0") for name in ("timeline", "cam")]
    if not set(flags) <= {"0", "1"}:
        raise Refused(400, "`timeline` and `cam` must be 0 or 1")
    return Wanted(min(int(top), classes), *(flag == "1" for flag in flags), threshold=float(least))


def check_sender(asked: str, origin: str, host: str) -> None:
    """Refuses what other sites' pages ask for, which the user's browser may be showing.

    Args:
      asked: the server as the request calls it (its header Host).
      origin: the page that asks (its header Origin); empty: no page does.
      host: address that the server listens at.

    Raises:
      Refused: 403: the page is another server's; the server is this machine's own and called by another name, or by
        what can be no name.
    """
    parsed = HOST.fullmatch(asked)
    if not parsed or (is_loopback(host) and not is_loopback(parsed["six"] or parsed["name"])):
        raise Refused(403, f"this is no server of {asked}")
    if origin and origin.partition("//")[2].lower() != asked.lower():
        raise Refused(403, f"pages of {origin} may not ask")


def is_loopback(host: str) -> bool:
    """Whether a name or an address, without brackets, means this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_token(authorization: str, token: str) -> None:
    """Refuses who does not know the server's token; how long that takes tells nothing about it.

    Args:
      authorization: the request's header Authorization.
      token: that has to be in it; empty: everyone may ask.

    Raises:
      Refused: 401: it is missing, or another one.
    """
    given, expected = (text.encode(errors="surrogateescape") for text in (authorization, f"Bearer {token}"))
    if token and not hmac.compare_digest(given, expected):
        raise Refused(401, "this server wants its token: curl -H 'Authorization: Bearer TOKEN'")


def check_kind(content_type: str) -> None:
    """Refuses a body that wraps the video's bytes into a form, as `curl -F` sends it.

    Raises:
      Refused: 415: the header Content-Type says that the body has several parts.
    """
    if content_type.startswith("multipart/"):
        raise Refused(415, "the video is wrapped in a form; send its bytes themselves: curl --data-binary @FILE")
