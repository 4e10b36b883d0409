"""Bindings of `main` replaced by others: how a rewrite changes a program without touching its users."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import relax
from tvm.ir.expr import GenericConst


class Rewriter:
    """Collects replacements of bindings, each a few new ones before it and another value for it."""

    def __init__(self, module: tvm.IRModule):
        self._module, self._builder = module, relax.BlockBuilder()
        self._before: dict[relax.Var, list[relax.VarBinding]] = {}
        self._values: dict[relax.Var, relax.Expr] = {}

    def bind(self, call: relax.Expr, before: relax.Var) -> relax.Var:
        """A new variable with that value, bound just before another."""
        call = self._builder.normalize(call)
        variable = relax.DataflowVar(f"{before.name}_{len(self._before.get(before, []))}", call.ty)
        self._before.setdefault(before, []).append(relax.VarBinding(variable, call))
        return variable

    def replace(self, variable: relax.Var, call: relax.Expr) -> None:
        """Gives a variable another value."""
        self._values[variable] = self._builder.normalize(call)

    def result(self) -> tvm.IRModule:
        """The module with all replacements; what is no longer used is still there."""
        if not self._values:
            return self._module
        main = self._module["main"]
        bindings: list[relax.VarBinding] = []
        for binding in main.body.blocks[0].bindings:
            bindings += self._before.get(binding.var, [])
            bindings.append(relax.VarBinding(binding.var, self._values.get(binding.var, binding.value)))
        return with_bindings(self._module, bindings)


def with_bindings(module: tvm.IRModule, bindings: Sequence[relax.VarBinding]) -> tvm.IRModule:
    """The module with these as the one dataflow block of `main`."""
    main = module["main"]
    body = relax.SeqExpr([relax.DataflowBlock(bindings)], main.body.body)
    changed = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    changed[module.get_global_var("main")] = relax.Function(main.params, body, main.ret_ty, main.is_pure, main.attrs)
    return changed


def is_matrix(value: relax.Expr) -> bool:
    """True for a constant float32 matrix, such as weights."""
    return isinstance(value, GenericConst) and len(value.ty.shape) == 2 and value.ty.dtype == "float32"


def is_scalar(value: relax.Expr) -> bool:
    """True for one constant float32 number."""
    return isinstance(value, GenericConst) and all(int(size) == 1 for size in value.ty.shape) and value.ty.dtype == "float32"
