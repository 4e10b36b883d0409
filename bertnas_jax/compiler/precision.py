"""The numbers that products with weights can be made of."""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["float32", "int8_accurate", "int8_fast", "float16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
