"""Pass: every fused PrimFunc gets a simple schedule for a GPU that OpenCL drives.

- A packed GEMM: a work-item keeps a block of 4 rows by 4 columns in registers; weights and results
  move as float4; the epilogue runs on the block before it is written.
- Rows (LayerNorm, embeddings): a work-group a row, its reductions across work-items in local memory:
  TVM's own rule for general reductions (dlight).
- Anything else, and rows that the rule does not take (reductions that fusion left alone), is one
  launch a block that is not inlined: work-items over the elements of its result, each reducing
  alone. Attention is so some 8 launches with scores in global memory, where the CPU's schedule has
  one kernel.

Precondition: after fuse_polyhedral; each PrimFunc is unscheduled blocks under a root.
"""

from __future__ import annotations

import tvm
from tvm import s_tir, tirx
from tvm.s_tir import dlight
from tvm.s_tir.schedule import LoopRV, SBlockRV

from bertnas_jax.compiler.blocks import blocks_of, extent, hoisted, inline_elementwise, is_reduction, largest_divisor, output_of
from bertnas_jax.compiler.kernel_object import kernels_of
from bertnas_jax.compiler.schedule_kernels import KIND, kind_of
from bertnas_jax.compiler.vector_unit import vector_unit

WORK_ITEMS = 64  # a group: a wave of Adreno, a few of Mali's warps of 16
_UNROLLED = (4, 3, 2, 1)
# What the rule for reductions is told: it takes groups of 256 for OpenCL, which not every phone's GPU starts, and of 64 for these.
_SMALL_GROUPS = tvm.target.Target({"kind": "vulkan"})


def schedule_gpu(module: tvm.IRModule) -> tvm.IRModule:
    """The module with every PrimFunc bound to work-groups and work-items.

    Raises:
      UnknownKernelError: a kernel is of a kind that has no schedule.
    """
    scheduled = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for variable, function in kernels_of(module).items():
        kind = kind_of(function)
        schedule = s_tir.Schedule(tvm.IRModule({"main": function}))
        if kind == "gemm":
            _schedule_gemm(schedule)
        elif kind == "rows":
            by_rule = dlight.gpu.GeneralReduction().apply(function, _SMALL_GROUPS, False)
            if by_rule is None:
                _schedule_blocks(schedule)
            schedule = by_rule or schedule
        else:
            _schedule_blocks(schedule)
        scheduled[variable] = schedule.mod["main"].with_attr(KIND, kind)
    return scheduled


def _schedule_gemm(schedule: s_tir.Schedule) -> None:
    gemm = schedule.get_sblock("packed_gemm")
    if not schedule.get_consumers(gemm):
        schedule.cache_write(gemm, 0, "local")
    else:
        schedule.set_scope(gemm, 0, "local")
    inline_elementwise(schedule)
    unit = vector_unit()
    *rows, columns, inner = schedule.get_loops(gemm)
    block = largest_divisor(extent(schedule, rows[-1]), unit.rows)
    row_outer, row_inner = schedule.split(schedule.fuse(*rows), [None, block])
    column_outer, lane = schedule.split(columns, [None, unit.lanes])
    schedule.reorder(row_outer, column_outer, inner, row_inner, lane)
    items = _bind(schedule, schedule.fuse(row_outer, column_outer))
    _attach_epilogue(schedule, items)
    outer, unrolled = schedule.split(inner, [None, largest_divisor(extent(schedule, inner), _UNROLLED)])
    for loop in (unrolled, row_inner):
        schedule.unroll(loop)
    schedule.vectorize(lane)
    zero = schedule.decompose_reduction(gemm, outer)
    schedule.unroll(schedule.get_loops(zero)[-2])
    schedule.vectorize(schedule.get_loops(zero)[-1])


def _attach_epilogue(schedule: s_tir.Schedule, items: LoopRV) -> None:
    """The epilogue on each work-item's block, as float4 where no column is cropped."""
    epilogue = output_of(schedule)
    is_whole = extent(schedule, schedule.get_loops(epilogue)[-1]) % vector_unit().lanes == 0
    schedule.reverse_compute_at(epilogue, items)
    if is_whole:
        schedule.vectorize(schedule.get_loops(epilogue)[-1])


def _schedule_blocks(schedule: s_tir.Schedule) -> None:
    if is_reduction(schedule, output_of(schedule)):
        schedule.cache_write(output_of(schedule), 0, "global")  # a copy of the result is what the rest is moved into
    inline_elementwise(schedule, keep=hoisted(schedule))
    for block in blocks_of(schedule):
        kinds = [axis.iter_type == tirx.IterVar.CommReduce for axis in schedule.get(block).iter_vars]
        loops = list(zip(schedule.get_loops(block), kinds, strict=True))
        spatial = [loop for loop, reduces in loops if not reduces]
        reduced = [loop for loop, reduces in loops if reduces]
        _bind_block(schedule, block, spatial, reduced)


def _bind_block(schedule: s_tir.Schedule, block: SBlockRV, spatial: list[LoopRV], reduced: list[LoopRV]) -> None:
    schedule.reorder(*spatial, *reduced)
    _bind(schedule, schedule.fuse(*spatial))
    if reduced:
        schedule.decompose_reduction(block, reduced[0])


def _bind(schedule: s_tir.Schedule, loop: LoopRV) -> LoopRV:
    """The loop over work-items, those of one group last."""
    group, item = schedule.split(loop, [None, WORK_ITEMS])
    schedule.bind(group, "blockIdx.x")
    schedule.bind(item, "threadIdx.x")
    return item
