"""Groups of bindings moved into functions of their own, marked to become one kernel each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tvm
from tvm import relax
from tvm.ir.expr import GenericConst

from bertnas_jax.compiler.dataflow import Dataflow
from bertnas_jax.compiler.rebind import with_bindings


def outline(module: tvm.IRModule, groups: Mapping[relax.Var, tuple[str, Sequence[relax.Var]]]) -> tvm.IRModule:
    """The module with every group of `main` as a call of a function marked Primitive.

    `groups` maps a group's only exit to its name and its members in program order. A member that is
    no exit may be in several groups, and stays in `main` where something else needs it. FuseTIR makes
    one PrimFunc of a Primitive function; equal groups share a function.
    """
    dataflow = Dataflow(module["main"])
    builder, bindings = relax.BlockBuilder(module), []
    for binding in dataflow.bindings:
        if binding.var in groups:
            name, members = groups[binding.var]
            function, inputs = _extract(dataflow, members)
            kernel = builder.add_func(function, name)
            binding = relax.VarBinding(binding.var, builder.normalize(relax.Call(kernel, inputs)))
        bindings.append(binding)
    return relax.transform.DeadCodeElimination()(with_bindings(builder.get(), bindings))


def _extract(dataflow: Dataflow, group: Sequence[relax.Var]) -> tuple[relax.Function, list[relax.Expr]]:
    """A group as a function, and the arguments to call it with: constants are arguments too."""
    builder = relax.BlockBuilder()
    inputs: list[relax.Expr] = []
    renamed: dict[relax.Expr, relax.Var] = {}

    def collect(expression: relax.Expr) -> None:
        is_tensor_constant = isinstance(expression, GenericConst) and len(expression.ty.shape) > 0
        if isinstance(expression, relax.Tuple):
            for field in expression.fields:
                collect(field)
        elif (isinstance(expression, relax.Var) and expression not in group or is_tensor_constant) and expression not in renamed:
            renamed[expression] = relax.Var(f"input{len(inputs)}", expression.ty)
            inputs.append(expression)

    for variable in group:
        for argument in dataflow.value(variable).args:
            collect(argument)
    with builder.function("kernel", [renamed[expression] for expression in inputs], attrs={"Primitive": True}, private=True):
        with builder.dataflow():
            for variable in group:
                call = dataflow.value(variable)
                arguments = [_substitute(argument, renamed) for argument in call.args]
                renewed = relax.Call(call.op, arguments, call.attrs, call.ty_args)
                emit = builder.emit_output if variable is group[-1] else builder.emit
                renamed[variable] = emit(renewed)
        builder.emit_func_output(renamed[group[-1]])
    return builder.get()["kernel"], inputs


def _substitute(expression: relax.Expr, renamed: Mapping[relax.Expr, relax.Var]) -> relax.Expr:
    if isinstance(expression, relax.Tuple):
        return relax.Tuple([_substitute(field, renamed) for field in expression.fields])
    return renamed.get(expression, expression)
