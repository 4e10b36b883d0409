"""A JAX function's jaxpr as a Relax module of primitive operators.

The Flax model stays the one source of truth: whatever it computes is traced, not rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np
import tvm
from jax.extend import core
from tvm import relax

from bertnas_jax.compiler.emitter import Emitter, Value
from bertnas_jax.compiler.primitives import PRIMITIVES

# Primitives that only wrap another jaxpr, and the parameter that holds it.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
}


class UnknownPrimitiveError(NotImplementedError):
    """A jaxpr holds a primitive that has no translation."""


def jaxpr_to_relax(function: Callable, *avals: jax.ShapeDtypeStruct, names: Sequence[str]) -> tvm.IRModule:
    """A module whose `main` computes `function` of static avals; closed-over arrays become constants.

    Raises:
      UnknownPrimitiveError: the function uses a primitive outside `PRIMITIVES`.
    """
    closed = jax.make_jaxpr(function)(*avals)
    if len(closed.jaxpr.outvars) != 1:
        raise ValueError(f"a compiled function must return one array, got {len(closed.jaxpr.outvars)}; return the logits only")
    builder = relax.BlockBuilder()
    inputs = [relax.Var(name, relax.TensorType(aval.shape, np.dtype(aval.dtype).name)) for name, aval in zip(names, avals, strict=True)]
    with builder.function("main", inputs):
        with builder.dataflow():
            emitter = Emitter(builder)
            constants = [np.asarray(constant) for constant in closed.consts]
            (result,) = _translate(emitter, closed.jaxpr, constants, inputs)
            output = builder.emit_output(emitter.expression(result))
        builder.emit_func_output(output)
    return builder.finalize()


def _translate(emitter: Emitter, jaxpr: core.Jaxpr, constants: Sequence[Value], inputs: Sequence[Value]) -> list[Value]:
    """The values of the jaxpr's outputs."""
    values: dict[core.Var, Value] = dict(zip(jaxpr.constvars, constants, strict=True))
    values.update(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: core.Var | core.Literal) -> Value:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, core.Literal) else values[atom]

    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        values.update(zip(equation.outvars, _translate_equation(emitter, equation, operands), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _translate_equation(emitter: Emitter, equation: core.JaxprEqn, operands: Sequence[Value]) -> Sequence[Value]:
    name = equation.primitive.name
    if name in _CALLS:
        inner = equation.params[_CALLS[name]]
        closed = inner if isinstance(inner, core.ClosedJaxpr) else core.ClosedJaxpr(inner, ())
        return _translate(emitter, closed.jaxpr, [np.asarray(constant) for constant in closed.consts], operands)
    if all(isinstance(operand, np.ndarray) for operand in operands):
        return _evaluate(equation, operands)
    if name not in PRIMITIVES:
        known = ", ".join(sorted(PRIMITIVES))
        raise UnknownPrimitiveError(f"a primitive must be one the compiler knows, got {name}; add it to primitives.py (known: {known})")
    (aval,) = (variable.aval for variable in equation.outvars)
    return [PRIMITIVES[name](emitter, operands, equation.params, aval)]


def _evaluate(equation: core.JaxprEqn, operands: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The values of an equation of constants, as JAX computes them."""
    if equation.primitive.name == "broadcast_in_dim":  # a view: repetition is not stored
        source, shape, axes = operands[0], equation.params["shape"], equation.params["broadcast_dimensions"]
        expanded = [1] * len(shape)
        for axis, size in zip(axes, source.shape):
            expanded[axis] = size
        return [np.broadcast_to(source.reshape(expanded), shape)]
    result = equation.primitive.bind(*operands, **equation.params)
    return [np.asarray(value) for value in (result if equation.primitive.multiple_results else [result])]
