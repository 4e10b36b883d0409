"""TVM's lowering of scheduled loops, with register tiles on the stack, from where LLVM takes them into registers.

TVM asks for memory for every array of 1 KB or more. All of such a tile LLVM writes back in each step of the loop over K,
as the prefetches in it might read it: 18 stores for 144 multiply-adds of 6 x 48.
"""

from __future__ import annotations

import math

import tvm
import tvm_ffi
from tvm import tirx

from bertnas_jax.compiler.emitter import dtype_of, shape_of

# The 32 registers of AVX-512, the most bytes that any vector unit has.
STACK_BYTES = 2048
# Source: kDisableLowerTVMBuiltin in TVM's tirx/transform.h.
_KEEP = "disable_lower_builtin"
_NAME = "bertnas_jax"


def lowering() -> tuple:
    """The pass from scheduled loops to TVM's calling convention, and makers of those that finish host and device code."""
    lower_loops, *finish = tirx.get_tir_pipeline("s_tir")
    return tvm.transform.Sequential([lower_loops, stack_tiles]), *finish


def lowering_name() -> str:
    """The name under which `tvm.compile` finds `lowering`: it takes none but names."""
    tirx.register_tir_pipeline(_NAME, lowering)
    return _NAME


@tvm.transform.module_pass(opt_level=0)
def stack_tiles(module: tvm.IRModule, _context: tvm.transform.PassContext) -> tvm.IRModule:
    """The module with every temporary array of at most 2 KB on the stack.

    Precondition: arrays are of their final size (after CompactBufferAllocation), before LowerTVMBuiltin.
    """
    functions = module.functions_items()
    kept = {name: function.with_body(tvm_ffi.structural_map(function.body, (tirx.AllocBuffer, _keep_if_small))) for name, function in functions}
    return tvm.IRModule(kept, attrs=module.attrs)


def _keep_if_small(allocation: tirx.AllocBuffer) -> tirx.AllocBuffer:
    element_bytes = tvm.DataType(dtype_of(allocation.buffer)).itemsize  # of a vector, where the array is one of vectors
    if element_bytes * math.prod(shape_of(allocation.buffer)) > STACK_BYTES:
        return allocation
    return tirx.AllocBuffer(allocation.buffer, {**allocation.annotations, _KEEP: tirx.const(1, "int32")})
