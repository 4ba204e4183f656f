"""Recognisable secrets, and a search for them in any output."""

from __future__ import annotations

import pickle
import pprint
import traceback
from typing import Any

from tests.faults.drivers import MODEL, TOKEN

HEADER = "marked-header-0123456789"
QUERY = "marked-query-0123456789"
MARKS = (TOKEN, HEADER, QUERY)
SECRETS = {
    "model": MODEL,
    "api_key": TOKEN,
    "default_headers": {"x-gateway-key": HEADER},
    "default_query": {"key": QUERY},
}


def found(text: object) -> list[str]:
    """The secrets in `text`, which may be any object."""
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return [mark for mark in MARKS if mark in whole]


def object_texts(thing: object) -> list[str]:
    """The texts that may show an object."""
    return [repr(thing), str(thing), f"{thing}", pprint.pformat(thing), repr([thing]), repr({"it": thing})]


def error_texts(error: BaseException) -> list[str]:
    """The texts that may show an error: with its causes, with all locals, pickled."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    members: dict[str, Any] = {"details": vars(error), "args": error.args}
    return [
        *object_texts(error),
        "".join(whole.format()),
        "".join(traceback.format_exception(error)),
        repr(members),
        repr(getattr(error, "response", None) and vars_of(error.response)),
        pickle.dumps(error).decode("latin-1"),
    ]


def vars_of(thing: Any) -> dict[str, Any]:
    """The public attributes of an object."""
    return {name: getattr(thing, name) for name in dir(thing) if not name.startswith("_")}
