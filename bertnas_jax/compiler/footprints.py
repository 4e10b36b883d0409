"""What a scheduled kernel draws from beyond a cache of any size, by the footprints of its loops.

A footprint is the box around the elements that some loops touch while those around them stand still: the image of
their iterations under the access maps that fusion goes by (access_map.py). What one iteration of a loop touched is still
there at the next if a cache holds all of an iteration; then the loop draws what all of its iterations touch, each
element once, and otherwise as often as it turns. A buffer that lives in the kernel alone is drawn only by a cache that
does not hold what lies between writing and reading it, and takes no more room than one of those iterations needs.

Source: M. Wolf, M. Lam, A data locality optimizing algorithm, PLDI 1991, sections 3 and 4 (reuse of a loop, kept where an
iteration's data fit), for caches that are fully associative and replace what was used longest ago. Every core counts as the one that runs all.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import islpy as isl
from tvm import tirx
from tvm.ir.expr import TensorLoad
from tvm.s_tir import SBlock, SBlockRealize

from bertnas_jax.compiler.access_map import AccessMap
from bertnas_jax.compiler.emitter import dtype_of
from bertnas_jax.compiler.loop_nest import expressions
from bertnas_jax.compiler.region import element_bytes

_MAPS = 4096  # whose footprints are kept: the Subnets of a space share most of their accesses
_SMALLEST = 4096  # bytes of a cache: what smaller ones would draw is what registers are for

Steps = tuple[tuple[int, int], ...]  # (bytes of a cache, bytes drawn by one of at least so many), the smallest cache first


@dataclasses.dataclass(frozen=True, eq=False)
class _Access:
    """What of a buffer a statement touches while as many loops around it stand still, from none to all, and how often it runs then."""

    buffer: tirx.Var
    reached: tuple[isl.Set, ...]
    executions: tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class _Body:
    """What a loop runs: its accesses, of which the outermost `depth` loops stand still, and the bodies of the loops in it."""

    depth: int
    times: int
    accesses: tuple[_Access, ...]
    inner: tuple[_Body, ...]

    @functools.cached_property
    def touched(self) -> Mapping[tirx.Var, int]:
        """Bytes of each buffer that one iteration touches."""
        return _touched(self.accesses, self.depth)

    @functools.cached_property
    def swept(self) -> Mapping[tirx.Var, int]:
        """Bytes of each buffer that all iterations touch."""
        return _touched(self.accesses, max(self.depth - 1, 0))


def _touched(accesses: Sequence[_Access], depth: int) -> Mapping[tirx.Var, int]:
    """Bytes of each buffer, what several accesses reach counted once."""
    found: Counter[tirx.Var] = Counter()
    known: dict[tirx.Var, isl.Set] = {}
    for access in accesses:
        reached, before = access.reached[depth], known.get(access.buffer)
        again = 0 if before is None else _box(before.intersect(reached))
        known[access.buffer] = reached if before is None else before.union(reached).coalesce()
        found[access.buffer] += element_bytes(dtype_of(access.buffer)) * max(0, min(_box(reached), access.executions[depth]) - again)
    return found


def drawn_bytes(scheduled: tirx.PrimFunc) -> Steps:
    """What the kernel draws from beyond a cache, by the size of the cache; the last step is of one that holds everything.

    Raises:
      NotImplementedError: a statement is no loop, block or store.
    """
    kernel = _bodies(scheduled.body, [])
    whole = _Body(0, 1, tuple(access for body in kernel for access in body.accesses), kernel)
    counts = _Draws(whole, frozenset(scheduled.params))
    steps: list[tuple[int, int]] = []
    for size in sorted({_SMALLEST, *(size for size in counts.sizes() if size > _SMALLEST)}):
        drawn = sum(counts.by(whole, size).values())
        if not steps or drawn < steps[-1][1]:
            steps.append((size, drawn))
    return tuple(steps)


class _Draws:
    """The recursion over the loops of one kernel, with what each body keeps to itself and the bytes that an iteration of it needs."""

    def __init__(self, whole: _Body, arguments: frozenset[tirx.Var]):
        own = {access.buffer for access in whole.accesses} - arguments
        homes = {buffer: _home(whole, buffer) for buffer in own}
        self._kept = {body: {buffer for buffer in body.touched if buffer in own and homes[buffer] in _all(body)} for body in _all(whole)}
        self._rooms = {
            body: sum(homes[buffer].touched[buffer] if buffer in kept else size for buffer, size in body.touched.items())
            for body, kept in self._kept.items()
        }

    def sizes(self) -> Iterator[int]:
        """The cache sizes from which on some loop's data are kept."""
        yield from self._rooms.values()

    def by(self, body: _Body, size: int) -> Mapping[tirx.Var, int]:
        """What one iteration of the body draws past a cache of so many bytes."""
        if self._rooms[body] <= size or not body.inner:
            return self._not_kept(body, body.touched)
        total: Counter[tirx.Var] = Counter()
        for inner in body.inner:
            total.update(self._by_loop(inner, size))
        return total

    def _by_loop(self, body: _Body, size: int) -> Mapping[tirx.Var, int]:
        if self._rooms[body] <= size:
            return self._not_kept(body, body.swept)
        return {buffer: body.times * drawn for buffer, drawn in self.by(body, size).items()}

    def _not_kept(self, body: _Body, bytes_of: Mapping[tirx.Var, int]) -> Mapping[tirx.Var, int]:
        """But for the buffers that live in one iteration of the body: all that is written to them is read there."""
        return {buffer: drawn for buffer, drawn in bytes_of.items() if buffer not in self._kept[body]}


def _all(body: _Body) -> Iterator[_Body]:
    yield body
    for inner in body.inner:
        yield from _all(inner)


def _home(body: _Body, buffer: tirx.Var) -> _Body:
    """The innermost body that has all accesses of the buffer."""
    count = sum(access.buffer.same_as(buffer) for access in body.accesses)
    for inner in body.inner:
        if sum(access.buffer.same_as(buffer) for access in inner.accesses) == count:
            return _home(inner, buffer)
    return body


def _bodies(statement: tirx.Stmt, loops: list[tirx.For]) -> tuple[_Body, ...]:
    """The loops of a statement, those in a row side by side, and its stores: bodies that turn once."""
    if isinstance(statement, tirx.For):
        around = [*loops, statement]
        inner = _bodies(statement.body, around)
        return (_Body(len(around), int(statement.extent), tuple(access for body in inner for access in body.accesses), inner),)
    if isinstance(statement, tirx.SeqStmt):
        return tuple(body for child in statement.seq for body in _bodies(child, loops))
    if isinstance(statement, SBlockRealize):
        if not statement.block.iter_vars:
            return _bodies(statement.block.body, loops)
        return (_Body(len(loops), 1, tuple(_accesses(statement, loops)), ()),)
    if isinstance(statement, tirx.Evaluate):
        return ()  # a prefetch draws what is drawn anyway
    raise NotImplementedError(f"a kernel must consist of loops, blocks and stores, got {type(statement).__name__}; count it in footprints.py")


def _accesses(realize: SBlockRealize, loops: Sequence[tirx.For]) -> Iterator[_Access]:
    block: SBlock = realize.block
    if not isinstance(block.body, tirx.BufferStore):
        raise NotImplementedError(f"block {block.name_hint} must be one store, got {type(block.body).__name__}; count it in footprints.py")
    extents, names = tuple(int(loop.extent) for loop in loops), {loop.loop_var: f"i{position}" for position, loop in enumerate(loops)}
    along = AccessMap(names, extents)
    names |= {axis.var: f"({along.affine(value)})" for axis, value in zip(block.iter_vars, realize.iter_values, strict=True)}
    loads = [node for node in expressions(block.body.value) if isinstance(node, TensorLoad)]
    for buffer, indices in [(block.body.buffer, block.body.indices), *((load.source, load.indices) for load in loads)]:
        text = str(AccessMap(names, extents).of(buffer, indices))
        yield _Access(buffer, _reached(text), tuple(math.prod(extents[depth:]) for depth in range(len(extents) + 1)))


@functools.lru_cache(_MAPS)
def _reached(access: str) -> tuple[isl.Set, ...]:
    """What is touched while 0, 1, ... loops stand still at their first iteration."""
    still = isl.Map(access)
    reached = [still.range()]
    for axis in range(still.dim(isl.dim_type.in_)):
        still = still.fix_val(isl.dim_type.in_, axis, 0)
        reached.append(still.range())
    return tuple(reached)


def _box(elements: isl.Set) -> int:
    """The elements of the smallest box around a set."""
    if elements.is_empty():
        return 0
    axes = range(elements.dim(isl.dim_type.set))
    return math.prod(elements.dim_max_val(axis).to_python() - elements.dim_min_val(axis).to_python() + 1 for axis in axes)
