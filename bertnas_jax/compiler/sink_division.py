"""Pass: (e / s) V becomes (e V) / s where s has one value a row.

Distributivity: fewer divisions, as the context is narrower than the scores (the rewrite is one of
those of Niu et al. 2020, arXiv 2009.06823). Precondition: primitive Relax operators; products with
constant weights are left alone.
"""

from __future__ import annotations

import tvm
from tvm import relax

from bertnas_jax.compiler.dataflow import operator_of
from bertnas_jax.compiler.emitter import shape_of


@relax.expr_functor.mutator
class _Sinker(relax.PyExprMutator):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = super().visit_call_(call)
        if operator_of(call) != "relax.matmul" or not all(isinstance(operand, relax.Var) for operand in call.args):
            return call
        quotient = self.lookup_binding(call.args[0])
        if operator_of(quotient) != "relax.divide" or shape_of(quotient.args[1]) != (*shape_of(call.args[0])[:-1], 1):
            return call
        numerator, divisor = quotient.args
        product = self.builder_.emit(relax.op.matmul(numerator, call.args[1]))
        return relax.op.divide(product, divisor)


def sink_division(module: tvm.IRModule) -> tvm.IRModule:
    """The module with row-wise divisions after the product that follows them."""
    sinker = _Sinker(module)
    sinker.builder_.update_func(module.get_global_var("main"), sinker.visit_expr(module["main"]))
    return sinker.builder_.get()
