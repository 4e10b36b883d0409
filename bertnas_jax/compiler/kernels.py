"""The kernels of a lowered model, in the order they run: what a latency is the sum of."""

from __future__ import annotations

import dataclasses

import tvm
from tvm import relax, tirx
from tvm_ffi import structural_hash

from bertnas_jax.compiler.emitter import dtype_of, shape_of
from bertnas_jax.compiler.loop_nest import count_bytes, count_flops
from bertnas_jax.compiler.schedule_kernels import KIND


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One call of a fused kernel.

    `name` is the PrimFunc's. Two calls with one `signature` run the same code on the same shapes,
    whatever Subnet they come from. `flops` counts every float operation (2 per multiply-add),
    `bytes` each argument read once and the result written once.
    """

    name: str
    signature: str
    flops: int
    bytes: int


def list_kernels(lowered: tvm.IRModule) -> tuple[Kernel, ...]:
    """The kernels that `main` of a lowered module calls, in call order."""
    described: dict[str, Kernel] = {}
    kernels = []
    for block in lowered["main"].body.blocks:
        for binding in block.bindings:
            call = binding.value
            if isinstance(call, relax.Var) or isinstance(call, relax.Tuple):
                continue
            if not (isinstance(call, relax.Call) and getattr(call.op, "name", "") == "relax.call_tir"):
                raise ValueError(f"main must consist of calls of kernels, got {call}; pass the module through lower()")
            name = call.args[0].name_hint
            if name not in described:
                described[name] = _describe(name, lowered[name], call)
            kernels.append(described[name])
    return tuple(kernels)


def _describe(name: str, function: tirx.PrimFunc, call: relax.Call) -> Kernel:
    arguments = (*call.args[1].fields, call)
    shapes = ",".join(f"{dtype_of(value)}[{'x'.join(map(str, shape_of(value)))}]" for value in arguments)
    kind = str(function.attrs[KIND]) if KIND in function.attrs else "unscheduled"
    signature = f"{kind}({shapes})#{structural_hash(function):016x}"
    return Kernel(name, signature, count_flops(function), count_bytes(function))
