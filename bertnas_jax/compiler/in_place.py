"""Which argument of a kernel its result may take the bytes of, by the order of reads and writes in its scheduled loops.

It may where every element of the argument is read before the element of that place is written, by the same thread. Both
are integer maps from iterations of the loops to elements, so that all pairs of a write and a read of one place are a set:
what is left of it without the pairs whose order is known must be empty. The order is known where the first loop that
both are in and in which they differ is sequential, or, if they differ in none, from the text. Of a loop over threads or
vector lanes no order is assumed. Bounds that a block tests are left out, and an index that is read from memory is any:
both only add pairs.

Source: the test of dependences, Feautrier 1991, "Dataflow analysis of array and scalar references", on the schedule as built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import islpy as isl
from tvm import tirx
from tvm.ir.expr import Call, TensorLoad
from tvm.s_tir import SBlock, SBlockRealize
from tvm.target import codegen

from bertnas_jax.compiler.access_map import AccessMap
from bertnas_jax.compiler.emitter import dtype_of, shape_of
from bertnas_jax.compiler.loop_nest import expressions

_ORDERED = (tirx.ForKind.SERIAL, tirx.ForKind.UNROLLED)


class _UnreadableError(Exception):
    """The function holds what this analysis cannot read."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Access:
    """What one statement reads or writes of a buffer; `position` counts statements as they stand in the text."""

    buffer: tirx.Var
    writes: bool
    loops: tuple[tirx.For, ...]
    elements: isl.Map  # { [iteration of the loops] -> [element] }
    position: int


def in_place_arguments(function: tirx.PrimFunc) -> tuple[tuple[int, int], ...]:
    """Pairs of parameters of a scheduled function, by number: one that is read, and one of its shape and type that may be written over it.

    None of a function that holds anything else than loops, blocks, stores of affine indices and prefetches: of one whose
    indices are vectors, for dot instructions of int8 or a transposition in registers, nothing is known.
    """
    try:
        accesses = _accesses(function)
    except _UnreadableError:
        return ()
    parameters = list(function.params)
    read, written = (
        [number for number, buffer in enumerate(parameters) if any(each.buffer.same_as(buffer) and each.writes == writes for each in accesses)]
        for writes in (False, True)
    )
    candidates = ((one, other) for other in written for one in read if one not in written and _alike(parameters[one], parameters[other]))
    return tuple((one, other) for one, other in candidates if _reads_first(parameters[one], parameters[other], accesses))


def _alike(one: tirx.Var, other: tirx.Var) -> bool:
    return shape_of(one) == shape_of(other) and dtype_of(one) == dtype_of(other)


def _reads_first(argument: tirx.Var, result: tirx.Var, accesses: Sequence[_Access]) -> bool:
    """True if no place of the result is written before the argument's element there is last read, and the result is never read."""
    if any(access.buffer.same_as(result) and not access.writes for access in accesses):
        return False  # of the argument's numbers it would read what it wrote
    reads = [access for access in accesses if access.buffer.same_as(argument)]
    writes = [access for access in accesses if access.buffer.same_as(result)]
    return all(_is_before(read, write) for read in reads for write in writes)


def _is_before(read: _Access, write: _Access) -> bool:
    """True if every read of an element comes before every write of it."""
    shared = 0
    while shared < min(len(read.loops), len(write.loops)) and read.loops[shared].same_as(write.loops[shared]):
        shared += 1
    pairs = write.elements.apply_range(read.elements.reverse())
    for depth in range(shared):
        if read.loops[depth].kind in _ORDERED:
            pairs = pairs.subtract(_equal(pairs, depth, f"r{depth} < w{depth}"))
    if read.position <= write.position:  # a statement reads before it writes
        pairs = pairs.subtract(_equal(pairs, shared))
    return pairs.is_empty()


def _equal(pairs: isl.Map, depth: int, *further: str) -> isl.Map:
    """{ [w...] -> [r...] }, pairs of iterations equal in the first loops, and what is further true of them."""
    writes, reads = (", ".join(f"{name}{at}" for at in range(pairs.dim(kind))) for name, kind in (("w", isl.dim_type.in_), ("r", isl.dim_type.out)))
    conditions = [f"r{at} = w{at}" for at in range(depth)] + list(further)
    return isl.Map(f"{{ [{writes}] -> [{reads}] : {' and '.join(conditions) or 'true'} }}")


def _accesses(function: tirx.PrimFunc) -> list[_Access]:
    """Every access of a parameter.

    Raises:
      _UnreadableError: there is a statement or an index that is not understood.
    """
    parameters, found, position = set(function.params), [], 0

    def visit(node, loops: tuple[tirx.For, ...], names: dict[tirx.Var, str]) -> None:
        nonlocal position
        if isinstance(node, tirx.For):
            visit(node.body, (*loops, node), names | {node.loop_var: f"i{len(loops)}"})
        elif isinstance(node, SBlockRealize):
            axes = zip(node.block.iter_vars, node.iter_values, strict=True)
            visit(node.block, loops, names | {axis.var: _affine(value, names, loops) for axis, value in axes})
        elif isinstance(node, SBlock):
            for child in (node.init, node.body):
                if child is not None:
                    visit(child, loops, names)
        elif isinstance(node, tirx.SeqStmt):
            for child in node.seq:
                visit(child, loops, names)
        elif isinstance(node, tirx.BufferStore):
            position += 1
            found.extend(_of_store(node, loops, names, position, parameters))
        elif not isinstance(node, tirx.AllocBuffer) and not _is_prefetch(node):
            raise _UnreadableError

    visit(function.body, (), {})
    return found


def _of_store(
    store: tirx.BufferStore, loops: tuple[tirx.For, ...], names: dict[tirx.Var, str], position: int, parameters: set[tirx.Var]
) -> list[_Access]:
    """What a store reads and writes of the parameters."""
    nodes = [*expressions(store.value), *(node for index in store.indices for node in expressions(index))]
    if any(isinstance(node, Call) and getattr(node.op, "name", "") == "tirx.address_of" for node in nodes):
        raise _UnreadableError  # what is read there is not told
    loads = [(node.source, node.indices) for node in nodes if isinstance(node, TensorLoad)]
    accesses = [(buffer, indices, False) for buffer, indices in loads] + [(store.buffer, store.indices, True)]
    return [
        _Access(buffer, writes, loops, _elements(buffer, indices, names, loops), position) for buffer, indices, writes in accesses if buffer in parameters
    ]


def _elements(buffer: tirx.Var, indices: Sequence[tirx.Expr], names: dict[tirx.Var, str], loops: tuple[tirx.For, ...]) -> isl.Map:
    try:
        return AccessMap(names, _extents(loops)).of(buffer, indices)
    except (NotImplementedError, KeyError, isl.Error) as error:
        raise _UnreadableError from error


def _affine(value: tirx.Expr, names: dict[tirx.Var, str], loops: tuple[tirx.For, ...]) -> str:
    """An index in isl's notation."""
    try:
        text = AccessMap(names, _extents(loops)).affine(value)
    except (NotImplementedError, KeyError) as error:
        raise _UnreadableError from error
    if text is None:
        raise _UnreadableError
    return f"({text})"


def _extents(loops: tuple[tirx.For, ...]) -> tuple[int, ...]:
    if any(int(loop.min) for loop in loops):
        raise _UnreadableError
    return tuple(int(loop.extent) for loop in loops)


def _is_prefetch(node) -> bool:
    """True for an instruction that reads no value."""
    call = getattr(node, "value", None)
    if not (isinstance(node, tirx.Evaluate) and isinstance(call, Call) and getattr(call.op, "name", "") == "tirx.call_llvm_intrin"):
        return False
    return int(call.args[0]) == codegen.llvm_lookup_intrinsic_id("llvm.prefetch")
