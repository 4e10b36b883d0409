"""A lowered module as a list of launches: what a driver without TVM's virtual machine has to do."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import math
from collections.abc import Sequence

import numpy as np
import tvm
from tvm import relax
from tvm.ir.expr import GenericConst

from bertnas_jax.compiler.dataflow import Dataflow, operator_of
from bertnas_jax.compiler.emitter import dtype_of, shape_of
from bertnas_jax.compiler.in_place import in_place_arguments
from bertnas_jax.compiler.region import arguments_of, element_bytes


class Place(enum.Enum):
    """Where a kernel finds an argument."""

    INPUT = "input"
    WEIGHT = "weight"
    INTERMEDIATE = "intermediate"


@dataclasses.dataclass(frozen=True)
class Argument:
    """The index-th value of its place."""

    place: Place
    index: int


@dataclasses.dataclass(frozen=True)
class TensorType:
    """Shape and element type of a dense array."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * element_bytes(self.dtype)


@dataclasses.dataclass(frozen=True)
class Launch:
    """One call of a kernel: what it reads, then what it writes; `in_place` are pairs of their numbers that may share bytes."""

    kernel: str
    reads: tuple[Argument, ...]
    writes: tuple[Argument, ...]
    in_place: tuple[tuple[int, int], ...] = ()


@dataclasses.dataclass(frozen=True)
class Program:
    """`main` of a lowered module: launches in order, weights each once, the value that is returned."""

    inputs: tuple[TensorType, ...]
    input_names: tuple[str, ...]
    weights: tuple[np.ndarray, ...]
    intermediates: tuple[TensorType, ...]
    launches: tuple[Launch, ...]
    result: Argument


def program_of(lowered: tvm.IRModule) -> Program:
    """The program of a lowered module's `main`.

    Raises:
      ValueError: `main` does something else than call kernels.
    """
    return programs_of(lowered, ["main"])[0]


def programs_of(lowered: tvm.IRModule, functions: Sequence[str]) -> tuple[Program, ...]:
    """The programs of these functions of a lowered module, each with the weights of all: equal ones are kept once.

    Raises:
      ValueError: a function does something else than call kernels.
    """
    weights: dict[bytes, tuple[Argument, np.ndarray]] = {}
    programs = [_Reader(lowered, Dataflow(lowered[function]), weights).program() for function in functions]
    shared = tuple(array for _, array in weights.values())
    return tuple(dataclasses.replace(program, weights=shared) for program in programs)


class _Reader:
    def __init__(self, lowered: tvm.IRModule, dataflow: Dataflow, weights: dict[bytes, tuple[Argument, np.ndarray]]):
        self._lowered, self._dataflow = lowered, dataflow
        self._in_place: dict[str, tuple[tuple[int, int], ...]] = {}
        self._places: dict[relax.Var, Argument | tuple[Argument, ...]] = {}
        self._weights = weights
        self._intermediates: list[TensorType] = []

    def program(self) -> Program:
        parameters = list(self._dataflow.function.params)
        self._places.update({variable: Argument(Place.INPUT, index) for index, variable in enumerate(parameters)})
        launches = [launch for binding in self._dataflow.bindings if (launch := self._launch(binding)) is not None]
        result = self._argument(self._dataflow.function.body.body)
        return Program(
            tuple(_type_of(variable) for variable in parameters),
            tuple(variable.name for variable in parameters),
            tuple(array for _, array in self._weights.values()),
            tuple(self._intermediates),
            tuple(launches),
            result,
        )

    def _launch(self, binding: relax.Binding) -> Launch | None:
        """The launch of a binding; None if it only names a value again."""
        value = binding.value
        if isinstance(value, relax.Var | relax.TupleGetItem | GenericConst):
            self._places[binding.var] = self._argument(value)
            return None
        if operator_of(value) != "relax.call_tir":
            raise ValueError(f"a function must consist of calls of kernels, got {value}; pass the module through lower()")
        reads = tuple(map(self._argument, arguments_of(value)))
        types = value.ty.fields if isinstance(value.ty, relax.TupleType) else [value.ty]
        writes = tuple(self._intermediate(TensorType(tuple(map(int, kind.shape)), str(kind.dtype))) for kind in types)
        self._places[binding.var] = writes if isinstance(value.ty, relax.TupleType) else writes[0]
        kernel = value.args[0].name_hint
        if kernel not in self._in_place:
            self._in_place[kernel] = tuple((read, write - len(reads)) for read, write in in_place_arguments(self._lowered[kernel]))
        return Launch(kernel, reads, writes, self._in_place[kernel])

    def _argument(self, value: relax.Expr) -> Argument:
        if isinstance(value, GenericConst):
            return self._weight(value.value.numpy())
        if isinstance(value, relax.TupleGetItem):
            return self._places[value.tuple_value][value.index]
        return self._places[value]

    def _weight(self, array: np.ndarray) -> Argument:
        """The argument that holds these numbers: equal weights are kept once."""
        key = hashlib.blake2b(np.ascontiguousarray(array), person=f"{array.dtype}"[:16].encode()).digest()
        key += repr(array.shape).encode()
        if key not in self._weights:
            self._weights[key] = (Argument(Place.WEIGHT, len(self._weights)), array)
        return self._weights[key][0]

    def _intermediate(self, kind: TensorType) -> Argument:
        self._intermediates.append(kind)
        return Argument(Place.INTERMEDIATE, len(self._intermediates) - 1)


def _type_of(variable: relax.Var) -> TensorType:
    return TensorType(shape_of(variable), dtype_of(variable))
