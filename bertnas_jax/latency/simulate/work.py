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

_NEWTON_STEPS, _FLAT = 8, 1e-6  # near size 1 each halves the distance: to 1/256


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
    `tile_rows` x `tile_columns` is a register tile; both are 0 where that is up to XNNPACK.
    `drawn` are steps (bytes of a cache, bytes that its loops draw past one of at least so many), the smallest cache first; () if it passes
    over what it reads and writes once, whatever the cache.
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
    passes: int = 1
    drawn: tuple[tuple[int, int], ...] = ()

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
        tile = (self.tile_rows, self.tile_columns)
        if min(tile) < 0 or (0 in tile and any(tile)):
            raise ValueError(f"{self.name} must have a tile of rows and columns or none, got {tile}; give both")
        caches, drawn = zip(*self.drawn, strict=True) if self.drawn else ((), ())
        if list(caches) != sorted(set(caches)) or list(drawn) != sorted(drawn, reverse=True) or min((0, *caches, *drawn)) < 0:
            raise ValueError(f"{self.name} must draw less past larger caches, the smallest first, got {self.drawn}; sort the steps")

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
    passes: Float[np.ndarray, " e"]
    packed: Bool[np.ndarray, " e"]
    tasks: Float[np.ndarray, " e"]
    dispatched: Bool[np.ndarray, " e"]
    is_int8: Bool[np.ndarray, " e"]
    is_int16: Bool[np.ndarray, " e"]
    cache_bytes: Float[np.ndarray, "e k"]
    drawn_bytes: Float[np.ndarray, "e k"]

    @classmethod
    def of(cls, kernels: Sequence[KernelWork]) -> WorkBatch:
        names = ("batch", "rows", "inner", "columns", "elements", "moved_bytes", "tasks", "tile_rows", "tile_columns", "passes")
        numbers = {name: np.array([getattr(kernel, name) for kernel in kernels], float) for name in names}
        steps = [kernel.drawn or ((0, kernel.bytes),) for kernel in kernels]
        filled = np.array([(*some, *[some[-1]] * (max(map(len, steps)) - len(some))) for some in steps], float)
        return cls(
            **numbers,
            width=np.array([BYTES[kernel.dtype] for kernel in kernels], float),
            kind=np.array([ELEMENT_KINDS.index(kernel.kind) for kernel in kernels]),
            packed=np.array([kernel.packed for kernel in kernels]),
            dispatched=np.array([kernel.dispatched for kernel in kernels]),
            is_int8=np.array([kernel.dtype == "int8" for kernel in kernels]),
            is_int16=np.array([kernel.dtype == "int16" for kernel in kernels]),
            cache_bytes=filled[..., 0],
            drawn_bytes=filled[..., 1],
        )

    def drawn_past(self, cache_bytes: Float[np.ndarray, " #e"]) -> Float[np.ndarray, " e"]:
        """Bytes that each kernel's loops draw from beyond a cache of this size; one under its smallest step draws as that does.

        Of what a step would save, a cache that is too small for it saves what stays by chance (`missed_share`).
        """
        saved = self.drawn_bytes[:, :-1] - self.drawn_bytes[:, 1:]
        missed = missed_share(self.cache_bytes[:, 1:] / np.reshape(cache_bytes, (-1, 1)))
        return self.drawn_bytes[:, -1] + (saved * missed).sum(1)

    @property
    def weight_bytes(self) -> Float[np.ndarray, " e"]:
        """Right operands that are weights; a batch of products is of keys and values."""
        return np.where(self.batch > 1, 0.0, self.batch * self.inner * self.columns * self.width)


def missed_share(sizes: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """What of data that is gone through again and again a cache misses which replaces at random, by the size of the data beside its own; 0 up to 1.

    Between two uses m of the data are fetched, each in a place at random, so that a datum survives with probability exp(-m size): 1 - m = exp(-m size).
    Source: that balance, solved by Newton's steps, which fall to its larger root. Such is the Cortex-A53's L1 (DDI 0500D, 2.1.6); caches
    that replace what was used longest ago would miss all of it, and cores of phones have some of each.
    """
    missed = np.ones_like(sizes)
    for _ in range(_NEWTON_STEPS):
        survived = np.exp(-missed * sizes)
        missed = missed - (missed - 1.0 + survived) / np.maximum(1.0 - sizes * survived, _FLAT)
    return np.where(sizes > 1.0, missed, 0.0)
