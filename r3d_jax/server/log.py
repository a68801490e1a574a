"""The server's log: one line for what is no HTTP."""

import logging

from aiohttp.http import HttpProcessingError
from aiohttp.web import RequestPayloadError


def in_one_line(record: logging.LogRecord) -> bool:
    """A filter for aiohttp's log: of a malformed request its address and the kind of mistake, not its bytes."""
    error = record.exc_info and record.exc_info[1]
    if isinstance(error, HttpProcessingError | RequestPayloadError):
        record.msg, record.args = f"{record.getMessage()}: malformed ({type(error).__name__})", ()
        record.exc_info = record.exc_text = None
    return True
