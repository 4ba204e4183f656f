"""FinishedRows: the finished rows of a bulk run, which a resumed run skips, as bit sets with checksums. Pure."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from tir_client.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tir_client.bulk.prompts import Row

BLOCK = 64
"""Rows per block. A block is two integers: a bit set of the finished rows, and the XOR of their fingerprints."""


class FinishedRows:
    """The finished rows, and a check that the input still contains them.

    Fingerprints are kept per block, not per row, so a change of the input is found after a whole block has been read.
    """

    def __init__(self) -> None:
        self._bits = array("Q")
        self._sums = array("Q")
        self._seen = 0
        self._block = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, index: int) -> bool:
        block, place = divmod(index, BLOCK)
        return block < len(self._bits) and bool(self._bits[block] >> place & 1)

    def add(self, index: int, fingerprint: int) -> bool:
        """Mark a row as finished; return False if it was already."""
        if index in self:
            return False
        block, place = divmod(index, BLOCK)
        if block >= len(self._bits):
            more = bytes(8 * (block + 1 - len(self._bits)))
            self._bits.frombytes(more)
            self._sums.frombytes(more)
        self._bits[block] |= 1 << place
        self._sums[block] ^= fingerprint
        self._count += 1
        return True

    def unfinished(self, rows: Sequence[Row], fingerprint: Callable[[Row], int], *, check: bool = True) -> list[Row]:
        """The rows that are not finished. Call it with all rows of the input, in order.

        Raises:
            ConfigurationError: A block of rows, or the settings, differ from those of the stored results.
        """
        if not self._count:
            return list(rows)
        left = []
        for row in rows:
            if check and row.index // BLOCK != self._block:
                self._check_block()
                self._block = row.index // BLOCK
            if row.index not in self:
                left.append(row)
            elif check:
                self._seen ^= fingerprint(row)
        if check and rows and rows[-1].index % BLOCK == BLOCK - 1:
            self._check_block()
            self._block += 1
        return left

    def check_end(self, rows: int) -> None:
        """Check the last block, and that the input, which has `rows` rows, contains all stored rows.

        Raises:
            ConfigurationError: The input is not that of the stored results.
        """
        if not self._count:
            return
        last = max(block for block, bits in enumerate(self._bits) if bits)
        stored = last * BLOCK + self._bits[last].bit_length()
        if stored > rows:
            raise ConfigurationError(
                f"The output has a result for row {stored - 1}, but the input has {rows} rows: it is another input, or "
                "it was shortened. Write to another output."
            )
        self._check_block()

    def _check_block(self) -> None:
        seen, self._seen = self._seen, 0
        if self._block < len(self._sums) and seen != self._sums[self._block]:
            first = self._block * BLOCK
            raise ConfigurationError(
                f"Rows {first} to {first + BLOCK - 1} of the input, or the settings, are not those of the stored "
                "results. Write to another output, or keep what is stored with `accept_changes`."
            )
