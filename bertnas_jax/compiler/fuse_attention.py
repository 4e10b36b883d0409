"""Pass: scores, mask, softmax and context of one attention become one kernel.

Precondition: primitive Relax operators in one dataflow block, weights constant, before
LegalizeOps. Attention is a product of two activations, an exponential of it, and a product of that
with a third activation, both right operands permuted views and the result [B, L, N * H];
anything else is left alone.
"""

from __future__ import annotations

import tvm
from tvm import relax

from bertnas_jax.compiler.dataflow import ELEMENTWISE, REDUCTIONS, VIEWS, Dataflow, operator_of
from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.outline import outline


def fuse_attention(module: tvm.IRModule) -> tvm.IRModule:
    """The module with every attention outlined as a function `attention`."""
    return outline(module, {"attention": attention_groups(Dataflow(module["main"]))})


def attention_groups(dataflow: Dataflow) -> list[list[relax.Var]]:
    """The bindings of every attention, from the views of q, k and v to the view of the context."""
    # What comes from no matmul (the mask) is shared by all layers and stays outside, as does a
    # projection's epilogue, which its GEMM computes.
    outside, inner = dataflow.epilogues(), dataflow.depends_on_matmul()
    operators = ELEMENTWISE | REDUCTIONS | VIEWS

    def absorbs(variable: relax.Var) -> bool:
        is_operator = operator_of(dataflow.value(variable)) in operators or dataflow.is_matmul(variable, of_weights=False)
        return is_operator and variable in inner and variable not in outside

    groups = []
    for binding in dataflow.bindings:
        if dataflow.is_matmul(binding.var, of_weights=False):
            group = dataflow.closure(_last_view(dataflow, binding.var), absorbs)
            if _is_attention(dataflow, group):
                groups.append(group)
    return groups


def _is_attention(dataflow: Dataflow, group: list[relax.Var]) -> bool:
    operators = [operator_of(dataflow.value(variable)) for variable in group]
    products = [dataflow.value(variable) for variable in group if operator_of(dataflow.value(variable)) == "relax.matmul"]
    right_operands = [product.args[1] for product in products]
    return (
        len(products) == 2
        and "relax.exp" in operators
        and operators[-1] == "relax.reshape"
        and len(shape_of(group[-1])) == 3
        and all(operand in group and operator_of(dataflow.value(operand)) == "relax.permute_dims" for operand in right_operands)
    )


def _last_view(dataflow: Dataflow, variable: relax.Var) -> relax.Var:
    """The end of the chain of single uses by elementwise operators and views."""
    while len(users := dataflow.users(variable)) == 1 and operator_of(dataflow.value(users[0])) in VIEWS | {"relax.divide"}:
        variable = users[0]
    return variable
