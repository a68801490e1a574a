import logging

from aiohttp.http import HttpProcessingError
from aiohttp.web import RequestPayloadError

from r3d_jax.server.log import in_one_line


def record_of(error):
    info = (type(error), error, None)
    return logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "Error handling request from %s", ("::1",), info)


def test_a_malformed_request_is_one_line_without_its_bytes():
    for error in (HttpProcessingError(code=400, message="SECRET\nbytes"), RequestPayloadError("SECRET\nbytes")):
        record, kind = record_of(error), type(error).__name__
        assert in_one_line(record)
        assert logging.Formatter().format(record) == f"Error handling request from ::1: malformed ({kind})"


def test_a_mistake_of_ours_keeps_its_traceback():
    record = record_of(ArithmeticError("ours"))
    assert in_one_line(record) and record.exc_info[1].args == ("ours",)
