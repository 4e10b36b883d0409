"""What every launch of a model on a GPU does, read from the loops that OpenCL C is generated from.

A top-level loop nest of a scheduled PrimFunc is a launch: its bound loops are work-groups and work-items, and each
load and store in it is asked for as often as the loops around it run, but for those over a work-item's registers
(unrolled, vectors) that do not change its element.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import tvm
from tvm import tirx
from tvm.ir.expr import TensorLoad
from tvm.s_tir import SBlockRealize

from bertnas_jax.compiler.emitter import dtype_of, shape_of
from bertnas_jax.compiler.kernel_object import kernels_of
from bertnas_jax.compiler.kernels import Kernel, list_kernels
from bertnas_jax.compiler.loop_nest import count_operations, expressions
from bertnas_jax.compiler.opencl import lower_opencl
from bertnas_jax.compiler.products import IN_REGISTERS, blocks_under, indexes
from bertnas_jax.compiler.region import element_bytes


@dataclasses.dataclass(frozen=True)
class GpuLaunch:
    """One launch: `groups` of `group_items` work-items, each group with `local_bytes` of local memory.

    `flops` are as executed, idle work-items included. `bytes` are what it reads and writes of global memory, each element once;
    `requested_bytes` what its work-items ask for. `steps` is how many loads, sums of two work-items included, wait for each other in turn.
    """

    name: str
    flops: int
    bytes: int
    requested_bytes: int
    steps: int
    groups: int
    group_items: int
    local_bytes: int

    @property
    def size(self) -> str:
        """Its work-groups and what they keep."""
        return f", {self.groups} x {self.group_items} items" + (f", {self.local_bytes} B local" if self.local_bytes else "")


def describe_launches(
    module: tvm.IRModule, target: tvm.target.Target, without: Collection[str] = ()
) -> tuple[tuple[Kernel, tuple[GpuLaunch, ...]], ...]:
    """The kernels of a traced model compiled for a GPU, in call order, each with its launches; `without` as for `fuse`."""
    lowered = lower_opencl(module, target, without)
    described = {variable.name_hint: tuple(_launches(variable.name_hint, function)) for variable, function in kernels_of(lowered).items()}
    return tuple((kernel, described[kernel.name]) for kernel in list_kernels(lowered))


def _launches(name: str, scheduled: tirx.PrimFunc) -> Iterator[GpuLaunch]:
    body = scheduled.body.block.body
    nests = list(body.seq) if isinstance(body, tirx.SeqStmt) else [body]
    for number, nest in enumerate(nests):
        yield _launch(f"{name} {number + 1}" if len(nests) > 1 else name, nest)


def _launch(name: str, nest: tirx.Stmt) -> GpuLaunch:
    bound: Counter[str] = Counter()
    touched: Counter[tirx.Var] = Counter()
    flops = requested = steps = local_bytes = 0
    for loops, realize in blocks_under(nest):
        axes = {loop.thread_binding.thread_tag: int(loop.extent) for loop in loops if loop.kind == tirx.ForKind.THREAD_BINDING}
        bound |= Counter(axes)  # the most of each
        store, times = realize.block.body, _extent(loops)
        flops += times * count_operations(store.value)
        loads = [node for node in expressions(store.value) if isinstance(node, TensorLoad)]
        for buffer, indices in ((store.buffer, store.indices), *((load.source, load.indices) for load in loads)):
            if buffer.scope() == "global":
                touched[buffer] += times
                requested += _asked(realize, indices, loops) * element_bytes(dtype_of(buffer))
        if loads:
            steps += 1 + _chain(realize, loops)
        if store.buffer.scope() == "shared":
            local_bytes += _local_bytes(realize, store, loops, axes)
    moved = sum(min(times, math.prod(shape_of(buffer))) * element_bytes(dtype_of(buffer)) for buffer, times in touched.items())
    groups, items = (math.prod(extent for tag, extent in bound.items() if tag.startswith(kind)) for kind in ("block", "thread"))
    return GpuLaunch(name, flops, moved, requested, steps, groups, items, local_bytes)


def _positions(realize: SBlockRealize, indices: Sequence[tirx.Expr]) -> list[tirx.Expr]:
    """What the loops make of the axes of a block that index an access."""
    used = [node for index in indices for node in expressions(index)]
    axes = zip(realize.block.iter_vars, realize.iter_values, strict=True)
    return [value for axis, value in axes if any(node.same_as(axis.var) for node in used)]


def _asked(realize: SBlockRealize, indices: Sequence[tirx.Expr], loops: Sequence[tirx.For]) -> int:
    """How many elements an access of a block asks for: not again along loops over registers that do not index it."""
    positions = _positions(realize, indices)
    return _extent(loop for loop in loops if loop.kind not in IN_REGISTERS or indexes(loop, positions))


def _reducing(realize: SBlockRealize, loops: Sequence[tirx.For]) -> list[tirx.For]:
    """The loops over what a block sums."""
    axes = zip(realize.block.iter_vars, realize.iter_values, strict=True)
    values = [value for axis, value in axes if axis.iter_type == tirx.IterVar.CommReduce]
    return [loop for loop in loops if indexes(loop, values)]


def _chain(realize: SBlockRealize, loops: Sequence[tirx.For]) -> int:
    """Terms that one work-item sums, and the halvings by which work-items of a group add theirs."""
    reducing = _reducing(realize, loops)
    alone = _extent(loop for loop in reducing if loop.kind != tirx.ForKind.THREAD_BINDING)
    together = _extent(loop for loop in reducing if loop.kind == tirx.ForKind.THREAD_BINDING)
    return (alone if reducing else 0) + math.ceil(math.log2(together))


def _local_bytes(realize: SBlockRealize, store: tirx.BufferStore, loops: Sequence[tirx.For], axes: dict[str, int]) -> int:
    """What a group keeps of a shared buffer, and the number of each work-item where they add theirs."""
    width = element_bytes(dtype_of(store.buffer))
    inside = [loop for loop in loops if loop.kind != tirx.ForKind.THREAD_BINDING or loop.thread_binding.thread_tag.startswith("thread")]
    positions = _positions(realize, store.indices)
    kept = _extent(loop for loop in inside if indexes(loop, positions))  # other loops write the same again
    is_shared = any(loop.kind == tirx.ForKind.THREAD_BINDING for loop in _reducing(realize, loops))
    items = math.prod(extent for tag, extent in axes.items() if tag.startswith("thread")) if is_shared else 0
    return (kept + items) * width


def _extent(loops) -> int:
    return math.prod(int(loop.extent) for loop in loops)
