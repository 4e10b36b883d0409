"""How XNNPACK runs a product on a CPU: its register tiles, and what its loops draw past caches.

Source: XNNPACK's src/operators/fully-connected-nc.c and batch-matrix-multiply-nc.c (rows outside, columns inside) and its aarch64 kernels.
"""

from __future__ import annotations

import math

from bertnas_jax.latency.simulate.work import BYTES

TILE_ROWS = {"float32": 6, "int8": 4}  # mr of its 6x8 and 4x16 (dot product), 4x8 kernels on aarch64
_PANEL_COLUMNS = 8  # nr; of bytes with a dot product twice as many


def drawn_by_xnnpack(rows: int, inner: int, columns: int, dtype: str, batch: int = 1) -> tuple[tuple[int, int], ...]:
    """Steps (bytes of a cache, bytes drawn past it) of products [rows, inner] x [inner, columns], their result counted in the same numbers.

    A tile of rows passes over the whole right operand, a panel of columns at a time. So a cache that holds a tile and a panel
    draws the right operand once a tile of rows, one that holds all of a pass once.
    """
    width, tile_rows = BYTES[dtype], TILE_ROWS.get(dtype, TILE_ROWS["float32"])
    left, right, result = (width * size for size in (rows * inner, inner * columns, rows * columns))
    tile, panel = width * min(rows, tile_rows) * inner, width * min(columns, _PANEL_COLUMNS) * inner
    passes, panels = math.ceil(rows / tile_rows), math.ceil(columns / _PANEL_COLUMNS)
    steps = ((0, left * panels + right * passes), (tile + panel, left + right * passes), (tile + right, left + right))
    kept = [steps[0], *(later for before, later in zip(steps, steps[1:], strict=False) if later[1] < before[1])]
    return tuple((size, batch * (drawn + result)) for size, drawn in kept)
