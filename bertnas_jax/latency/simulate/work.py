"""What a kernel has to do, whoever compiled it: the one description that every price is made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

BYTES = {"float32": 4, "float16": 2, "int8": 1, "int16": 2}  # of one number

# Kinds of arithmetic on single elements. What one element costs is calibrated by kind (see constants.py); of "vector"
# an element is one float operation in a loop over vectors.
COUNTED_KINDS = ("plain_float32", "plain_int8", "scale_float32", "scale_int8", "softmax_float32", "softmax_int8")
ELEMENT_KINDS = ("none", *COUNTED_KINDS, "vector")


class Work(Protocol):
    """What is told of anything that is priced: KernelWork, or a launch on a GPU (compiler/gpu_launches.py)."""

    @property
    def name(self) -> str: ...

    @property
    def flops(self) -> float: ...

    @property
    def bytes(self) -> int: ...

    @property
    def size(self) -> str:
        """What follows the name where kernels of one name are told apart."""


@dataclasses.dataclass(frozen=True)
class KernelWork:
    """One kernel: `batch` products [rows, inner] x [inner, columns] and arithmetic on elements, either of them 0.

    `packed`: the right operand is laid out anew at each run. `elements` are weighted: an element of
    the kind's plainest operator is 1. `moved_bytes` are its activations, each read or written once.
    `tasks`: in how many parts it is shared out among the cores of a set, 1 for its fastest alone, 0 as finely as need be. `dispatched`: False for the
    second and further products of a kernel, which nothing more is called for.

    A product whose activations have several digits makes as many `passes` over its right operand.
    `tile_rows` x `tile_columns` is a register tile; every tile of rows passes over `swept_columns` of the
    right operand before the loops move on to others. All three are 0 where that is up to XNNPACK.
    """

    name: str
    dtype: str
    batch: int = 0
    rows: int = 0
    inner: int = 0
    columns: int = 0
    packed: bool = False
    elements: float = 0.0
    kind: str = "none"
    moved_bytes: int = 0
    tasks: int = 0
    dispatched: bool = True
    tile_rows: int = 0
    tile_columns: int = 0
    swept_columns: int = 0
    passes: int = 1

    def __post_init__(self):
        sizes = (self.batch, self.rows, self.inner, self.columns)
        if min(sizes) < 0 or (0 in sizes and any(sizes)):
            raise ValueError(f"{self.name} must have a positive batch, rows, inner and columns or none, got {sizes}; give all four")
        if self.dtype not in BYTES or self.kind not in ELEMENT_KINDS:
            raise ValueError(
                f"{self.name} must have a dtype of {tuple(BYTES)} and a kind of {ELEMENT_KINDS}, got {self.dtype!r}, {self.kind!r}; "
                "add its price before pricing it"
            )
        if self.elements < 0 or self.moved_bytes < 0 or (self.elements > 0) == (self.kind == "none"):
            raise ValueError(f"{self.name} must have elements of a kind or neither, got {self.elements} of {self.kind!r}; name the kind")
        if self.tasks < 0:
            raise ValueError(f"{self.name} must be of some tasks or of none in particular, got {self.tasks}; give 0")
        if self.passes < 1:
            raise ValueError(f"{self.name} must pass over its right operand at least once, got {self.passes}; give 1")
        tile = (self.tile_rows, self.tile_columns, self.swept_columns)
        if min(tile) < 0 or (0 in tile and any(tile)) or self.swept_columns > self.columns:
            raise ValueError(f"{self.name} must have a tile and at most {self.columns} swept columns or none, got {tile}; give all three")

    @property
    def size(self) -> str:
        """The sizes of its products."""
        product = f" {self.rows}x{self.inner} to {self.rows}x{self.columns}" if self.rows else ""
        return product + (f", {self.batch} at once" if self.batch > 1 else "")

    @property
    def flops(self) -> float:
        """2 a multiply-add, and the operations of loops over vectors; elements of the counted kinds are weights of time, and count nothing."""
        return 2.0 * self.passes * self.batch * self.rows * self.inner * self.columns + (self.elements if self.kind == "vector" else 0.0)

    @property
    def operand_bytes(self) -> int:
        """Of all right operands: weights, keys or values."""
        return self.batch * self.inner * self.columns * BYTES[self.dtype]

    @property
    def bytes(self) -> int:
        """Compulsory traffic: operands and activations once."""
        return self.operand_bytes + self.moved_bytes


@dataclasses.dataclass(frozen=True)
class WorkBatch:
    """Kernels as arrays, field by field, to be priced together."""

    batch: Float[np.ndarray, " e"]
    rows: Float[np.ndarray, " e"]
    inner: Float[np.ndarray, " e"]
    columns: Float[np.ndarray, " e"]
    elements: Float[np.ndarray, " e"]
    moved_bytes: Float[np.ndarray, " e"]
    width: Float[np.ndarray, " e"]
    kind: Int[np.ndarray, " e"]
    tile_rows: Float[np.ndarray, " e"]
    tile_columns: Float[np.ndarray, " e"]
    swept_columns: Float[np.ndarray, " e"]
    passes: Float[np.ndarray, " e"]
    packed: Bool[np.ndarray, " e"]
    tasks: Float[np.ndarray, " e"]
    dispatched: Bool[np.ndarray, " e"]
    is_int8: Bool[np.ndarray, " e"]
    is_int16: Bool[np.ndarray, " e"]

    @classmethod
    def of(cls, kernels: Sequence[KernelWork]) -> WorkBatch:
        names = ("batch", "rows", "inner", "columns", "elements", "moved_bytes", "tasks", "tile_rows", "tile_columns", "swept_columns", "passes")
        numbers = {name: np.array([getattr(kernel, name) for kernel in kernels], float) for name in names}
        return cls(
            **numbers,
            width=np.array([BYTES[kernel.dtype] for kernel in kernels], float),
            kind=np.array([ELEMENT_KINDS.index(kernel.kind) for kernel in kernels]),
            packed=np.array([kernel.packed for kernel in kernels]),
            dispatched=np.array([kernel.dispatched for kernel in kernels]),
            is_int8=np.array([kernel.dtype == "int8" for kernel in kernels]),
            is_int16=np.array([kernel.dtype == "int16" for kernel in kernels]),
        )
