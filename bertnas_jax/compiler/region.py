"""A region: operators that might become one kernel, with what its loops need of each of them.

Regions of the same operators wired the same way are equal, whichever layer or module they come from, so
that what is found out about one need not be found out again.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import islpy as isl
from tvm import relax
from tvm.ir.expr import GenericConst

from bertnas_jax.compiler.access import Operator
from bertnas_jax.compiler.access_map import identity
from bertnas_jax.compiler.dataflow import Dataflow
from bertnas_jax.compiler.emitter import dtype_of, shape_of

# Of which what is found out is kept: a model meets some 300, and Subnets of one space meet mostly the same.
KEPT_REGIONS = 8192


@dataclasses.dataclass(frozen=True)
class Input:
    """A value from outside the region."""

    shape: tuple[int, ...]
    dtype: str
    is_constant: bool

    @property
    def element_bytes(self) -> int:
        return element_bytes(self.dtype)


@dataclasses.dataclass(frozen=True)
class Region:
    """Operators in program order, the last of which is the only one used outside.

    `operands[m]` holds an index of a member, or -1 - index of an input, for each argument of m.
    """

    operators: tuple[Operator, ...]
    operands: tuple[tuple[int, ...], ...]
    inputs: tuple[Input, ...]

    @property
    def root(self) -> Operator:
        return self.operators[-1]

    def uses(self, value: int) -> list[tuple[int, int]]:
        """(member, argument) wherever the value, a member or an input, is read."""
        return [(m, i) for m, operands in enumerate(self.operands) for i, operand in enumerate(operands) if operand == value]

    def descendants(self, member: int) -> set[int]:
        """The member and all that is computed from it."""
        found = {member}
        for later in range(member + 1, len(self.operators)):
            if not found.isdisjoint(self.operands[later]):
                found.add(later)
        return found

    def members(self, predicate: Callable[[Operator], bool]) -> list[int]:
        """The members whose operator satisfies the predicate."""
        return [m for m, operator in enumerate(self.operators) if predicate(operator)]


@dataclasses.dataclass(frozen=True)
class Argument:
    """What one call reads, and how it would be read from outside a region."""

    value: relax.Expr
    input: Input


def arguments_by_variable(dataflow: Dataflow) -> dict[relax.Var, tuple[Argument, ...]]:
    """The arguments of every call; the results of others are the dataflow's own objects."""
    known = {variable: _argument(variable) for variable in dataflow.variables}
    found = {}
    for variable, binding in zip(dataflow.variables, dataflow.bindings, strict=True):
        values = arguments_of(binding.value)
        known |= {value: _argument(value) for value in values if value not in known}
        found[variable] = tuple(known[value] for value in values)
    return found


def _argument(value: relax.Expr) -> Argument:
    return Argument(value, Input(shape_of(value), dtype_of(value), isinstance(value, GenericConst)))


def region_of(arguments: Mapping[relax.Var, Sequence[Argument]], operators: Mapping[relax.Var, Operator], members: Sequence[relax.Var]) -> Region:
    """The region of these variables, in program order."""
    position = {variable: index for index, variable in enumerate(members)}
    numbers: dict[relax.Expr, int] = {}
    inputs: list[Input] = []
    wiring = []
    for variable in members:
        operands = []
        for argument in arguments[variable]:
            if argument.value in position:
                operands.append(position[argument.value])
                continue
            if argument.value not in numbers:
                numbers[argument.value] = -1 - len(inputs)
                inputs.append(argument.input)
            operands.append(numbers[argument.value])
        wiring.append(tuple(operands))
    return Region(tuple(operators[variable] for variable in members), tuple(wiring), tuple(inputs))


def arguments_of(call: relax.Expr) -> list[relax.Expr]:
    """The tensors a call_tir passes."""
    return list(call.args[1].fields) if isinstance(call.args[1], relax.Tuple) else [call.args[1]]


def element_bytes(dtype: str) -> int:
    """Bytes of an element as it is stored."""
    return max(1, int(dtype.lstrip("abcdefghijklmnopqrstuvwxyz") or 8) // 8)


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop over (part of) an axis of the region's result: the axis itself, its quotient or its remainder."""

    axis: int
    extent: int
    divisor: int = 1
    is_remainder: bool = False

    @property
    def name(self) -> str:
        part = f"%{self.divisor}" if self.is_remainder else f"/{self.divisor}" if self.divisor > 1 else ""
        return f"i{self.axis}{part}"


def loops_of(region: Region) -> tuple[Loop, ...]:
    """The loops over the region's result; unit loops left out.

    An axis is split where a member divides the same axis by a constant, as heads are from their columns.
    """
    splits = _splits(region)
    loops: list[Loop] = []
    for axis, extent in enumerate(region.root.shape):
        if axis in splits:
            loops += [Loop(axis, extent // splits[axis], splits[axis]), Loop(axis, splits[axis], splits[axis], is_remainder=True)]
        else:
            loops.append(Loop(axis, extent))
    return tuple(loop for loop in loops if loop.extent > 1)


def _splits(region: Region) -> dict[int, int]:
    """By axis of the result, the constant by which some member divides it; the largest that leaves no rest."""
    divided = {m: operator.statements[-1].divisors for m, operator in enumerate(region.operators) if operator.statements[-1].divisors}
    splits: dict[int, int] = {}
    if not divided:
        return splits
    shape = region.root.shape
    relations = relations_of(region, [Loop(axis, extent) for axis, extent in enumerate(shape)])
    for member, divisors in divided.items():
        for (axis, divisor), (root, extent) in itertools.product(divisors, enumerate(shape)):
            if 1 < divisor < extent and extent % divisor == 0 and _is_same_axis(relations[member], root, axis):
                splits[root] = max(splits.get(root, 1), divisor)
    return splits


def _is_same_axis(needed: isl.Map, loop: int, axis: int) -> bool:
    if axis >= needed.dim(isl.dim_type.out):  # a reduced axis is none of the result
        return False
    same = isl.Map.from_domain_and_range(needed.domain(), needed.range()).equate(isl.dim_type.in_, loop, isl.dim_type.out, axis)
    return needed.is_subset(same)


def relations_of(region: Region, loops: Sequence[Loop]) -> dict[int, isl.Map]:
    """For every member (0, 1, ...) and input (-1, -2, ...), its elements that an iteration of the loops needs."""
    relations: dict[int, isl.Map] = {len(region.operators) - 1: _result_of(region, loops).apply_range(identity(region.root.shape))}
    for value in [*reversed(range(len(region.operators) - 1)), *(-1 - index for index in range(len(region.inputs)))]:
        needed = None
        for member, argument in region.uses(value):
            part = relations[member].apply_range(region.operators[member].reads[argument])
            needed = part if needed is None else needed.union(part)
        relations[value] = needed.coalesce()
    return relations


def _result_of(region: Region, loops: Sequence[Loop]) -> isl.Map:
    """The element of the result that an iteration of the loops computes."""
    terms: list[list[str]] = [[] for _ in region.root.shape]
    for position, loop in enumerate(loops):
        is_quotient = loop.divisor > 1 and not loop.is_remainder
        terms[loop.axis].append(f"{loop.divisor} * l{position}" if is_quotient else f"l{position}")
    names = ", ".join(f"l{position}" for position in range(len(loops)))
    bounds = " and ".join(f"0 <= l{position} < {loop.extent}" for position, loop in enumerate(loops)) or "true"
    return isl.Map(f"{{ [{names}] -> [{', '.join(' + '.join(term) or '0' for term in terms)}] : {bounds} }}")


def points(needed: isl.Map, outer: Sequence[int]) -> int:
    """Elements that the other loops sweep while the loops `outer` stand still, each piece of them as its box."""
    for loop in outer:
        needed = needed.fix_val(isl.dim_type.in_, loop, 0)
    return sum(_box_size(piece) for piece in needed.range().coalesce().make_disjoint().get_basic_sets())


def _box_size(piece: isl.BasicSet) -> int:
    elements = isl.Set.from_basic_set(piece)
    bounds = [(elements.dim_min_val(axis), elements.dim_max_val(axis)) for axis in range(elements.dim(isl.dim_type.set))]
    return math.prod(high.to_python() - low.to_python() + 1 for low, high in bounds)


def is_recomputed(needed: isl.Map, outer: Sequence[int]) -> bool:
    """True if two iterations of the loops `outer` need the same element."""
    for loop in reversed(range(needed.dim(isl.dim_type.in_))):
        if loop not in outer:
            needed = needed.project_out(isl.dim_type.in_, loop, 1)
    return not needed.is_injective()
