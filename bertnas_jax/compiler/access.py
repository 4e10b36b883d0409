"""What a call of an operator computes from its arguments, as integer maps composed of those of its loop nest's statements.

An operator's own map leads from an element of its result to the elements of an argument that it needs.

Source: Feautrier 1991, "Dataflow analysis of array and scalar references" (the model); isl,
Verdoolaege 2010 (the sets).
"""

from __future__ import annotations

import dataclasses
import functools
import math

import islpy as isl
from tvm import tirx
from tvm_ffi import StructuralKey

from bertnas_jax.compiler.access_map import box, identity
from bertnas_jax.compiler.emitter import dtype_of, shape_of
from bertnas_jax.compiler.statements import Statement, read_statements

_OPERATORS = 1024  # that are kept: a model has some 100 different ones


@dataclasses.dataclass(frozen=True, eq=False)
class Operator:
    """What one call of a PrimFunc computes from its arguments.

    `name` is that of the PrimFunc without the number that tells it from others of the module. `reads[i]` maps an element of the result to the elements of argument i that it needs.
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
    def relations(self) -> tuple[str, ...]:
        """The class of each argument's access relation."""
        return tuple(map(relation_class, self.reads))

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
    """The operator of an unscheduled PrimFunc whose last parameter is its result; the same one for the same body, whichever module it is of."""
    return _read_operator(name.rstrip("0123456789"), StructuralKey(function.without_attr("global_symbol")))


@functools.lru_cache(_OPERATORS)
def _read_operator(name: str, structure: StructuralKey) -> Operator:
    function = structure.key
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
