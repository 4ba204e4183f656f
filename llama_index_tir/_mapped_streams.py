"""Mapped and AsyncMapped: apply a function to each item of a stream; closing one closes the stream below.

They are `Generator`s because LlamaIndex checks for that type, and have `gi_frame` or `ag_frame` because OpenInference
waits for the end of a stream only if that is not None. Nested async generator functions would be closed twice when
their event loop ends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")
Covariant_co = TypeVar("Covariant_co", covariant=True)


class Closable(Protocol[Covariant_co]):
    """A stream that can be closed."""

    def __next__(self) -> Covariant_co: ...
    def close(self) -> Any: ...


class AsyncClosable(Protocol[Covariant_co]):
    """`Closable` for async code."""

    async def __anext__(self) -> Covariant_co: ...
    async def aclose(self) -> Any: ...


class Mapped(Generator[Result, None, None], Generic[Item, Result]):
    """The items of `stream`, each converted by a function.

    Args:
        stream: The stream to read and close.
        convert: Converts an item to a result.
        end: Returns further results when the stream has ended.
    """

    def __init__(
        self, stream: Closable[Item], convert: Callable[[Item], Result], end: Callable[[], Iterable[Result]] = tuple
    ) -> None:
        self._stream = stream
        self._convert = convert
        self._end = end
        self._rest: Iterator[Result] | None = None
        self._is_open = True

    @property
    def gi_frame(self) -> object:
        """Not None while the stream is open, as in native generators."""
        return self if self._is_open else None

    def __next__(self) -> Result:
        try:
            if self._rest is None:
                return self._convert(next(self._stream))
        except StopIteration:
            self._rest = iter(self._end())
        except BaseException as error:
            self._fail(error)
            raise
        for result in self._rest:
            return result
        self._is_open = False
        raise StopIteration

    def _fail(self, _: BaseException) -> None:
        """Close the stream below, because an item could not be read or converted."""
        Mapped.close(self)  # not that of a subclass, which reports a stream that was closed early

    def close(self) -> None:
        """Close the stream below."""
        self._is_open = False
        self._stream.close()

    def send(self, _: None, /) -> Result:
        """Return the next item; the sent value is ignored."""
        return next(self)

    def throw(self, error: Any, /, *_: Any) -> NoReturn:
        """Close the stream and raise `error`."""
        self.close()
        raise error


class AsyncMapped(AsyncGenerator[Result, None], Generic[Item, Result]):
    """`Mapped` for async code."""

    def __init__(
        self,
        stream: AsyncClosable[Item],
        convert: Callable[[Item], Result],
        end: Callable[[], Iterable[Result]] = tuple,
    ) -> None:
        self._stream = stream
        self._convert = convert
        self._end = end
        self._rest: Iterator[Result] | None = None
        self._is_open = True

    @property
    def ag_frame(self) -> object:
        """Not None while the stream is open, as in native generators."""
        return self if self._is_open else None

    async def __anext__(self) -> Result:
        try:
            if self._rest is None:
                return self._convert(await self._stream.__anext__())
        except StopAsyncIteration:
            self._rest = iter(self._end())
        except BaseException as error:
            await self._fail(error)
            raise
        for result in self._rest:
            return result
        self._is_open = False
        raise StopAsyncIteration

    async def _fail(self, _: BaseException) -> None:
        await AsyncMapped.aclose(self)  # as in `Mapped`

    async def aclose(self) -> None:
        """Close the stream below."""
        self._is_open = False
        await self._stream.aclose()

    async def asend(self, _: None, /) -> Result:
        """Return the next item; the sent value is ignored."""
        return await self.__anext__()

    async def athrow(self, error: Any, /, *_: Any) -> NoReturn:
        """Close the stream and raise `error`."""
        await self.aclose()
        raise error
