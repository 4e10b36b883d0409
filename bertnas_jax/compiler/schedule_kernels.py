"""Pass: every PrimFunc gets the schedule of its kind.

Precondition: after FuseTIR, before lowering; each PrimFunc is unscheduled blocks under a root.
A function whose kind no schedule knows is an error.
"""

from __future__ import annotations

import tvm
from tvm import s_tir, tirx

from bertnas_jax.compiler.blocks import blocks_of, is_matmul, is_reduction, name_of
from bertnas_jax.compiler.schedule_attention import schedule_attention
from bertnas_jax.compiler.schedule_elementwise import schedule_elementwise, schedule_reduction
from bertnas_jax.compiler.schedule_gemm import schedule_gemm
from bertnas_jax.compiler.schedule_half_gemm import schedule_half_gemm
from bertnas_jax.compiler.schedule_integer_gemm import schedule_integer_gemm
from bertnas_jax.compiler.schedule_matmul import schedule_matmul
from bertnas_jax.compiler.schedule_rows import schedule_rows

# In the order of their tests in `kind_of`.
SCHEDULES = {
    "gemm": schedule_gemm,
    "integer_gemm": schedule_integer_gemm,
    "half_gemm": schedule_half_gemm,
    "attention": schedule_attention,
    "matmul": schedule_matmul,
    "rows": schedule_rows,
    "reduction": schedule_reduction,
    "elementwise": schedule_elementwise,
}

# The kind of a product with weights, by the name of its block.
GEMMS = {"packed_gemm": "gemm", "packed_gemm_integer": "integer_gemm", "packed_gemm_half": "half_gemm"}
# The second reduction of such a product.
_SUMS = ("sum_halves",)

# The attribute of a scheduled PrimFunc that holds its kind.
KIND = "bertnas.kind"


class UnknownKernelError(NotImplementedError):
    """A kernel has a form that no schedule knows."""


def kind_of(function: tirx.PrimFunc) -> str:
    """The kind of an unscheduled kernel, a key of `SCHEDULES`.

    Raises:
      UnknownKernelError: the kernel mixes products and reductions in a way no schedule knows.
    """
    schedule = s_tir.Schedule(tvm.IRModule({"main": function}))
    blocks = blocks_of(schedule)
    products = [block for block in blocks if is_matmul(schedule, block)]
    gemms = [name for block in blocks if (name := name_of(schedule, block)) in GEMMS]
    reductions = [block for block in blocks if is_reduction(schedule, block) and name_of(schedule, block) not in _SUMS]
    others = len(reductions) - len(products) - len(gemms)
    if len(gemms) == 1 and not products and not others:
        return GEMMS[gemms[0]]
    if len(products) == 2 and not gemms:
        return "attention"
    if len(products) == 1 and not gemms and not others:
        return "matmul"
    if not products and not gemms:
        if not reductions:
            return "elementwise"
        if all(_is_along_rows(schedule, block) for block in reductions):
            return "rows"
        if len(reductions) == 1:
            return "reduction"
    names = ", ".join(name_of(schedule, block) for block in blocks)
    raise UnknownKernelError(f"a kernel must be one of {', '.join(SCHEDULES)}, got blocks {names}; add a schedule for it")


def _is_along_rows(schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> bool:
    """True if the block reduces the last axis of what it reads, one value a row."""
    axes = schedule.get(block).iter_vars
    last = axes[-1]
    reduced = [axis for axis in axes if axis.iter_type == tirx.IterVar.CommReduce]
    reads = [region.region[-1].min for region in schedule.get(block).reads]
    return len(reduced) == 1 and reduced[0].same_as(last) and any(index.same_as(last.var) for index in reads)


def _last_line(error: Exception) -> str:
    """What went wrong, without the whole program that a ScheduleError prints."""
    return next((line for line in str(error).splitlines() if line.startswith("Error message")), str(error)[-200:])


def schedule_kernels(module: tvm.IRModule) -> tvm.IRModule:
    """The module with every PrimFunc scheduled for the host CPU."""
    scheduled = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for variable, function in module.functions_items():
        if isinstance(function, tirx.PrimFunc):
            kind = kind_of(function)
            schedule = s_tir.Schedule(tvm.IRModule({"main": function}))
            try:
                SCHEDULES[kind](schedule)
            except s_tir.ScheduleError as error:
                raise UnknownKernelError(
                    f"kernel {variable.name_hint} must suit the schedule {kind}, got {_last_line(error)}; extend it"
                ) from error
            scheduled[variable] = schedule.mod["main"].with_attr(KIND, kind)
    return scheduled
