"""Script: the scripted replies of a sandbox, in order."""

import inspect
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

from tir_sandbox.answers import Answer, Fault, Reply
from tir_sandbox.errors import ApiError, error
from tir_sandbox.requests import Request

Item = Answer | str | Callable[[Request], Answer | str]
_SHOWN = 200


class ScriptError(AssertionError):
    """The script did not match the requests: a request had no reply, or replies were not used."""


@dataclass(frozen=True)
class Match:
    """A filter for the requests that a reply answers; the arguments are those of `Sandbox.script`."""

    model: str | None = None
    user: str | re.Pattern[str] | None = None
    tools: Sequence[str] = ()

    def fits(self, request: Request) -> bool:
        """Whether a request matches."""
        user = re.escape(self.user) if isinstance(self.user, str) else self.user
        return (
            self.model in (None, request.model)
            and (user is None or re.search(user, request.user) is not None)
            and set(self.tools) <= set(request.tools)
        )


class Script:
    """The unused replies of a sandbox, and the errors so far. It is thread-safe."""

    def __init__(self) -> None:
        self._entries: list[tuple[Match, Item]] = []
        self._problems: list[str] = []
        self._is_used = False
        self._lock = threading.Lock()

    def add(self, items: Iterable[Item], match: Match) -> None:
        """Append replies.

        Raises:
            TypeError: An item is not a reply, a fault, a string or a function.
        """
        items = list(items)
        for item in items:
            is_function = callable(item) and not isinstance(item, type) and not inspect.iscoroutinefunction(item)
            if not (isinstance(item, Answer | str) or is_function):
                raise TypeError(
                    f"a script item must be a Reply, a Fault, a string or a function of the request, not {item!r}"
                )
        with self._lock:
            self._is_used = self._is_used or bool(items)
            self._entries += [(match, item) for item in items]

    def take(self, request: Request, *, strict: bool = False, is_computed: bool = False) -> Answer | None:
        """Remove and return the first reply for a request, or return None if the rules must answer.

        Args:
            request: The request to answer.
            strict: Refuse the request if the script has no reply for it.
            is_computed: Whether the answer is embeddings or scores, which use only faults and replies without text.

        Raises:
            ApiError: There is no reply for the request, or its function failed.
        """
        with self._lock:
            suited = [
                one for one in self._entries if one[0].fits(request) and (not is_computed or _suits_computed(one[1]))
            ]
            for entry in suited[:1]:
                self._entries.remove(entry)
        if suited:
            return self.called(suited[0][1], request)
        if self._is_used and strict:
            hint = "Script one more reply for it, or pass `strict=False` to have the rules answer."
            raise self.failed(f"No reply is left for {described(request)}. {hint}")
        return None

    def called(self, item: Item, request: Request) -> Answer:
        """Convert an item to a reply or fault. A function is called with the request."""
        try:
            answer = item if isinstance(item, Answer | str) else item(request)
        except ApiError:  # the rules found no value for a schema
            raise
        except Exception as problem:
            raise self.failed(f"The function for {described(request)} raised {problem!r}.") from problem
        if isinstance(answer, str):
            return Reply(answer)
        if not isinstance(answer, Answer):
            raise self.failed(f"The function for {described(request)} returned {answer!r}, which is not a reply.")
        return answer

    def failed(self, problem: str) -> ApiError:
        """Record a problem for the end of the test, and return it as an error response."""
        with self._lock:
            self._problems.append(problem)
        return error(400, problem, "ScriptError")

    def problems(self, *, strict: bool) -> list[str]:
        """Return the errors so far; for a strict script, also one for unused replies."""
        with self._lock:
            left = [_shown(item) for _, item in self._entries] if strict else []
            more = [f"{len(left)} of the scripted replies were not used: {', '.join(left)}."] if left else []
            return self._problems + more

    def reset(self) -> None:
        """Remove the replies and the errors."""
        with self._lock:
            self._entries.clear()
            self._problems.clear()
            self._is_used = False


def described(request: Request) -> str:
    """Describe a request for an error message."""
    user = request.user if len(request.user) <= _SHOWN else request.user[:_SHOWN] + "..."
    tools = f", tools {', '.join(request.tools)}" if request.tools else ""
    return f"{request.method} {request.path} (model {request.model!r}, last user message {user!r}{tools})"


def _suits_computed(item: Item) -> bool:
    if isinstance(item, Reply):
        return item.text is None and not item.tool_calls and not item.choices
    return isinstance(item, Fault)


def _shown(item: Item) -> str:
    """Return the repr of an item, without fields that have their defaults."""
    if not isinstance(item, Answer):
        return repr(item)
    values = [(field.name, getattr(item, field.name), field.default) for field in fields(item)]
    given = [f"{name}={value!r}" for name, value, default in values if value not in (default, {})]
    return f"{type(item).__name__}({', '.join(given)})"
