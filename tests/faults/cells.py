"""All cells of the fault matrix."""

from tests.faults import answer_cells, connection_cells, status_cells, stream_cells

CELLS = (
    *connection_cells.CELLS,
    *status_cells.CELLS,
    *answer_cells.CELLS,
    *stream_cells.CELLS,
)
