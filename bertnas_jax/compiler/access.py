"""Iteration domains and access maps of an operator, as integer sets read from its loop nest.

A statement is a block of the loop nest: its domain holds one point per execution, its maps say
which element of which buffer that execution writes and reads. An operator's own map, from an
element of its result to the elements of an argument that it needs, is composed of them.

Source: Feautrier 1991, "Dataflow analysis of array and scalar references" (the model); isl,
Verdoolaege 2010 (the sets).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping

import islpy as isl
from tvm import tirx
from tvm.ir.expr import TensorLoad
from tvm.s_tir import SBlock, SBlockRealize

from bertnas_jax.compiler.emitter import dtype_of, shape_of
from bertnas_jax.compiler.loop_nest import count_operations, expressions


@dataclasses.dataclass(frozen=True, eq=False)
class Statement:
    """One block: points of its domain are (spatial..., reduced...) iterations in the block's own order.

    `operations` counts the float operations of one execution, `copies` says that it only moves a value,
    `gathers` that an index is read from memory (then the map reaches every element it may be).
    `divisors` holds (axis, constant) for each index that divides an axis by a constant.
    """

    name: str
    extents: tuple[int, ...]
    reduced: tuple[bool, ...]
    result: tirx.Var
    writes: isl.Map
    reads: tuple[tuple[tirx.Var, isl.Map], ...]
    operations: int
    copies: bool
    gathers: bool
    divisors: frozenset[tuple[int, int]]

    @property
    def executions(self) -> int:
        return math.prod(self.extents)

    @property
    def is_product(self) -> bool:
        """True for a contraction: a sum over elements of at least two arguments."""
        return any(self.reduced) and len(self.reads) > 1


def read_statements(function: tirx.PrimFunc) -> tuple[Statement, ...]:
    """The statements of an unscheduled PrimFunc, in program order."""
    return tuple(map(_statement, blocks_in(function)))


def blocks_in(function: tirx.PrimFunc) -> list[SBlock]:
    """The blocks of an unscheduled PrimFunc, in program order."""
    found: list[SBlock] = []

    def visit(node) -> None:
        if isinstance(node, SBlock) and node.iter_vars:
            found.append(node)
        elif isinstance(node, SBlockRealize):
            visit(node.block)
        elif isinstance(node, SBlock | tirx.For):
            visit(node.body)
        elif isinstance(node, tirx.SeqStmt):
            for child in node.seq:
                visit(child)
        else:
            kind = type(node).__name__
            raise NotImplementedError(f"an operator must consist of loops and blocks with axes, got {kind}; analyse it before it is scheduled")

    visit(function.body)
    return found


def _statement(block: SBlock) -> Statement:
    names = {axis.var: f"i{position}" for position, axis in enumerate(block.iter_vars)}
    extents = tuple(int(axis.dom.extent) for axis in block.iter_vars)
    if not isinstance(block.body, tirx.BufferStore):
        raise NotImplementedError(f"block {block.name_hint} must be one store, got {type(block.body).__name__}; split it")
    loads = {}
    for node in expressions(block.body.value):
        if isinstance(node, TensorLoad) and not node.source.same_as(block.body.buffer):
            loads.setdefault((node.source, tuple(map(str, node.indices))), node)
    maps = {key: _AccessMap(names, extents) for key in loads}
    reads = tuple((load.source, maps[key].of(load.source, load.indices)) for key, load in loads.items())
    return Statement(
        block.name_hint,
        extents,
        tuple(axis.iter_type == tirx.IterVar.CommReduce for axis in block.iter_vars),
        block.body.buffer,
        _AccessMap(names, extents).of(block.body.buffer, block.body.indices),
        reads,
        count_operations(block.body.value),
        isinstance(block.body.value, TensorLoad),
        any(access.gathers for access in maps.values()),
        frozenset().union(*(access.divisors for access in maps.values())),
    )


class _AccessMap:
    """Writes the indices of one access in isl's notation."""

    def __init__(self, names: Mapping[tirx.Var, str], extents: tuple[int, ...]):
        self._names, self._extents = names, extents
        self.gathers = False
        self.divisors: set[tuple[int, int]] = set()

    def of(self, buffer: tirx.Var, indices) -> isl.Map:
        """{ [iteration] -> [element] }."""
        inputs = [f"i{position}" for position in range(len(self._extents))]
        outputs = [f"o{position}" for position in range(len(indices))]
        bounds = [f"0 <= {name} < {extent}" for name, extent in zip(inputs, self._extents, strict=True)]
        for output, index, size in zip(outputs, indices, shape_of(buffer), strict=True):
            text = self._affine(index)
            bounds.append(f"0 <= {output} < {size}")  # a concatenation reads past its operands' ends and then drops it
            bounds += [] if text is None else [f"{output} = {text}"]
        return isl.Map(f"{{ [{', '.join(inputs)}] -> [{', '.join(outputs)}] : {' and '.join(bounds) or 'true'} }}")

    def _affine(self, index: tirx.Expr) -> str | None:
        """The index in isl's notation, None for one that is read from memory."""
        if any(isinstance(node, TensorLoad) for node in expressions(index)):
            self.gathers = True
            return None
        if isinstance(index, tirx.Var):
            return self._names[index]
        if isinstance(index, tirx.IntImm):
            return str(int(index))
        if isinstance(index, tirx.Cast):
            return self._affine(index.value)
        sign = {tirx.Add: "+", tirx.Sub: "-", tirx.Mul: "*"}.get(type(index))
        if sign is not None:
            return f"({self._affine(index.a)} {sign} {self._affine(index.b)})"
        if isinstance(index, tirx.FloorDiv | tirx.FloorMod) and isinstance(index.b, tirx.IntImm):
            if isinstance(index.a, tirx.Var):
                self.divisors.add((list(self._names).index(index.a), int(index.b)))
            inner = self._affine(index.a)
            return f"floor({inner} / {int(index.b)})" if isinstance(index, tirx.FloorDiv) else f"({inner} mod {int(index.b)})"
        raise NotImplementedError(f"an index must be affine or looked up, got {index}; give the operator another loop nest")


@dataclasses.dataclass(frozen=True, eq=False)
class Operator:
    """What one call of a PrimFunc computes from its arguments.

    `reads[i]` maps an element of the result to the elements of argument i that it needs.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    reads: tuple[isl.Map, ...]
    statements: tuple[Statement, ...]

    @functools.cached_property
    def elements(self) -> int:
        return math.prod(self.shape)

    @functools.cached_property
    def operations(self) -> int:
        """Float operations of the whole result."""
        return sum(statement.executions * statement.operations for statement in self.statements)

    @functools.cached_property
    def reduces(self) -> bool:
        return any(any(statement.reduced) for statement in self.statements)

    @functools.cached_property
    def reading_executions(self) -> int:
        """How often each argument is read: executions of the statement with the most."""
        return max(statement.executions for statement in self.statements)

    @functools.cached_property
    def is_view(self) -> bool:
        """True if the result is the argument under other indices."""
        return len(self.reads) == 1 and not self.gathers and all(statement.copies for statement in self.statements)

    @functools.cached_property
    def is_contiguous(self) -> bool:
        """True if neighbours along the result's last axis are neighbours in every argument, or one element."""
        return all(_steps_by_one(read, self.shape) for read in self.reads if not self.reduces and not self.gathers)

    @functools.cached_property
    def gathers(self) -> bool:
        return any(statement.gathers for statement in self.statements)

    @functools.cached_property
    def is_product(self) -> bool:
        """True if a statement is a contraction."""
        return any(statement.is_product for statement in self.statements)


def relation_class(read: isl.Map) -> str:
    """How a consumer's elements relate to a producer's, by whether each needs one and each is needed once.

    "one-to-one" (elementwise, a transposed view), "broadcast" (one serves many), "reduction" (many
    into one, each used once), "contraction" (many into one, each used by many).
    """
    if read.is_single_valued():
        return "one-to-one" if read.is_injective() else "broadcast"
    return "reduction" if read.is_injective() else "contraction"


def read_operator(name: str, function: tirx.PrimFunc) -> Operator:
    """The operator of an unscheduled PrimFunc whose last parameter is its result."""
    statements = read_statements(function)
    *arguments, result = function.params
    needs: dict[tirx.Var, isl.Map] = {}  # buffer -> map from the result's elements to its own
    shape = shape_of(result)
    needs[result] = identity(shape)
    for statement in reversed(statements):
        executed = needs[statement.result].apply_range(statement.writes.reverse())
        for buffer, read in statement.reads:
            needed = executed.apply_range(read)
            needs[buffer] = needs[buffer].union(needed).coalesce() if buffer in needs else needed
    reads = tuple(needs.get(argument, _nothing(shape, shape_of(argument))) for argument in arguments)
    return Operator(name, shape, dtype_of(result), reads, statements)


def identity(shape: tuple[int, ...]) -> isl.Map:
    """Every element of a shape to itself."""
    return isl.Map.identity(box(shape).identity().get_space()).intersect_domain(box(shape)) if shape else isl.Map("{ [] -> [] }")


def box(shape: tuple[int, ...]) -> isl.Set:
    """The indices of a shape."""
    names = [f"i{position}" for position in range(len(shape))]
    bounds = " and ".join(f"0 <= {name} < {size}" for name, size in zip(names, shape, strict=True)) or "true"
    return isl.Set(f"{{ [{', '.join(names)}] : {bounds} }}")


def _nothing(shape: tuple[int, ...], argument: tuple[int, ...]) -> isl.Map:
    return isl.Map.empty(isl.Map.from_domain_and_range(box(shape), box(argument)).get_space())


def _steps_by_one(read: isl.Map, shape: tuple[int, ...]) -> bool:
    """True if the first two neighbours along the last axis that need anything need neighbours, or one element."""
    if not shape or shape[-1] == 1 or read.is_empty():
        return True
    first = _coordinates(read.domain())
    here, there = (_coordinates(_needed(read, (*first[:-1], first[-1] + step))) for step in (0, 1))
    return not there or not here or (here[:-1] == there[:-1] and there[-1] - here[-1] in (0, 1))


def _needed(read: isl.Map, element: tuple[int, ...]) -> isl.Set:
    for axis, index in enumerate(element):
        read = read.fix_val(isl.dim_type.in_, axis, index)
    return read.range()


def _coordinates(elements: isl.Set) -> tuple[int, ...]:
    """The first of the elements, () if there is none."""
    if elements.is_empty():
        return ()
    point = elements.lexmin().sample_point()
    return tuple(point.get_coordinate_val(isl.dim_type.set, axis).to_python() for axis in range(elements.dim(isl.dim_type.set)))
