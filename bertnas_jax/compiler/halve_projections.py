"""Pass: a product with a constant matrix becomes one of halves (float16), summed in float32 every few products.

Operands and the sums of one block of K are halves, twice as many a register as float32; blocks are summed in float32, so
that the error does not grow with K. Measured on a trained feed-forward layer (K 1536, relative root mean square): 2.6e-4
of rounding the operands alone; 7.5e-4 in blocks of 32, 1.0e-3 of 64, 1.7e-3 of 128, 5.0e-3 in one sum of halves. By
llvm-mca, a block of 64 takes 517 cycles of multiply-adds on a Cortex-A76, and 80 to be added.
Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2 (blocked summation).

A half holds at most 65,504: operands beyond it are cut there, and a product whose weights are beyond it stays float32.
Sums of a block beyond it would become infinite; those of BERT are three orders of magnitude smaller.

Precondition: primitive Relax operators in one dataflow block, before LegalizeOps, within a target with float16 arithmetic;
`relax.matmul(x, W)` with W a constant float32 matrix [K, N], at least a panel of the vector unit wide, K with a divisor
within `BLOCKS`. Other products (attention's, a classifier's few columns), LayerNorm and softmax stay float32.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax, te, tirx
from tvm.target import codegen

from bertnas_jax.compiler.blocks import largest_divisor
from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.pack_weights import is_weight_matmul, pack
from bertnas_jax.compiler.vector_unit import vector_unit

# Products that are summed in halves; a block takes a conversion and an addition a sum. Best first.
BLOCKS = (64, *range(63, 7, -1))
_LARGEST = float(np.finfo(np.float16).max)


def halve(x: te.Tensor) -> te.Tensor:
    """x [...] as halves."""
    largest = tirx.const(_LARGEST, "float32")

    def cell(*index):
        return tirx.max(tirx.min(x(*index), largest), -largest).astype("float16")

    return te.compute(x.shape, cell, name="halve")


def packed_gemm_half(x: te.Tensor, panels: te.Tensor, columns: int, block: int) -> te.Tensor:
    """Halves x [..., K] times packed halves, float32 [..., columns], summed in halves over blocks of K."""
    panel, blocks = int(panels.shape[2]), int(panels.shape[1]) // block
    inner = te.reduce_axis((0, block), name="k")
    outer = te.reduce_axis((0, blocks), name="block")

    def partial(*index):
        *rows, part, column = index
        k = part * block + inner
        return te.sum(x(*rows, k) * panels[column // panel, k, column % panel], axis=inner)

    padded = (*x.shape[:-1], panels.shape[0] * panel)
    parts = te.compute((*padded[:-1], blocks, padded[-1]), partial, name="packed_gemm_half")
    total = te.compute(padded, lambda *index: te.sum(parts(*index[:-1], outer, index[-1]).astype("float32"), axis=outer), name="sum_halves")
    if columns == int(panels.shape[0]) * panel:
        return total
    return te.compute((*x.shape[:-1], columns), lambda *index: total(*index), name="crop")


@relax.expr_functor.mutator
class _Halver(relax.PyExprMutator):
    def __init__(self, module: tvm.IRModule):
        super().__init__(module)
        self._halves: dict[relax.Expr, relax.Var] = {}

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = super().visit_call_(call)
        if not is_halvable(call):
            return call
        x, weights = call.args[0], call.args[1].value.numpy()
        if x not in self._halves:
            self._halves[x] = self.builder_.emit(self.builder_.call_te(halve, x, primfunc_name_hint="halve"))
        panels = relax.const(pack(weights.astype(np.float16), vector_unit().panel))
        inner, columns = weights.shape
        block = largest_divisor(inner, BLOCKS)
        return self.builder_.call_te(packed_gemm_half, self._halves[x], panels, columns, block, primfunc_name_hint="packed_gemm_half")


def is_halvable(call: relax.Expr) -> bool:
    """True for a product with weights that the pass rewrites."""
    if not is_weight_matmul(call):
        return False
    inner, columns = shape_of(call.args[1])
    is_in_blocks = any(inner % block == 0 for block in BLOCKS)
    return is_in_blocks and columns >= vector_unit().panel and np.abs(call.args[1].value.numpy()).max() <= _LARGEST


def halve_projections(module: tvm.IRModule) -> tvm.IRModule:
    """The module with products with weights in halves.

    Raises:
      ValueError: the target has no arithmetic of float16.
    """
    target = tvm.target.Target.current()
    if not codegen.target_has_features("fullfp16", target):
        raise ValueError(f"a target of float16 must have its arithmetic (Arm's fullfp16), got {target}; use float32 or int8_accurate")
    halver = _Halver(module)
    for variable, function in module.functions_items():
        if isinstance(function, relax.Function):
            halver.builder_.update_func(variable, halver.visit_expr(function))
    return halver.builder_.get()
