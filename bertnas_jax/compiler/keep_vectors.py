"""Pass: the loops of a conversion to narrow numbers, already in vectors, stay as they are.

LLVM makes vectors across the vectors of such a loop wherever their number suits it, a gather an element: 128 x 1200 numbers to
bytes in 80 us instead of 7 on an AVX-512 core (Zen 5). Unrolled before that it takes some for single numbers: 64 us, and 128 x 384
to int16 in 12 us instead of 2. It leaves a loop alone that holds a prefetch; this one asks for what is read a little later.
Precondition: after schedule_kernels; `schedule_elementwise` marked the loop over vectors (`VECTORS`), under which only loops
lead to one block.
"""

from __future__ import annotations

import tvm
from tvm import tirx
from tvm.sym.analyzer import Analyzer

from bertnas_jax.compiler.marked_loops import replace_marked
from bertnas_jax.compiler.prefetch_panels import prefetch
from bertnas_jax.compiler.schedule_elementwise import VECTORS
from bertnas_jax.compiler.schedule_kernels import KIND

_AHEAD = 256  # elements: 16 lines of float32, some 30 ns of a core's reading from its second-level cache


def keep_vectors(module: tvm.IRModule) -> tvm.IRModule:
    """The module with a prefetch in every marked loop."""
    changed = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for variable, function in module.functions_items():
        if isinstance(function, tirx.PrimFunc) and function.attrs.get(KIND) == "elementwise":
            changed[variable] = function.with_body(replace_marked(function.body, VECTORS, _with_prefetch))
    return changed


def _with_prefetch(loop: tirx.For) -> tirx.For:
    """The loop with a prefetch of the first argument of the block in it."""
    analyzer, realize = Analyzer(), loop.body
    while isinstance(realize, tirx.For):
        analyzer.bind(realize.loop_var, tirx.const(0, realize.loop_var.ty.dtype))
        realize = realize.body
    for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
        analyzer.bind(axis.var, analyzer.simplify(value))
    source, region = realize.block.reads[0].source, realize.block.reads[0].region
    *row, column = (analyzer.simplify(part.min) for part in region)
    body = tirx.SeqStmt([prefetch(source, [*row, column + _AHEAD]), loop.body])
    return tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, body)
