"""What every kernel of a model does, read from its loop nest: products, arithmetic beside them, activations moved.

Sizes and access maps are those of the fused PrimFunc, tiles and parallel loops those of its schedule, FLOPs and bytes
those that `list_kernels` counts: whoever prices a kernel prices what is built and run.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection

import tvm
from tvm import tirx

from bertnas_jax.compiler.footprints import Steps, drawn_bytes
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.kernels import Kernel, list_kernels
from bertnas_jax.compiler.pipeline import apply, fuse, instruction_passes
from bertnas_jax.compiler.products import Product, read_product, realized_blocks
from bertnas_jax.compiler.region import element_bytes
from bertnas_jax.compiler.schedule_kernels import schedule_kernels
from bertnas_jax.compiler.statements import Statement, read_statements
from bertnas_jax.compiler.subnet_name import naming, subnet_of_module
from bertnas_jax.compiler.tuning import Tuning


@dataclasses.dataclass(frozen=True)
class KernelNest:
    """One call of a fused kernel.

    `element_operations` are its FLOPs beside those of the products, as executed. `activation_bytes` are what it reads and
    writes, each element once, the products' right operands apart; `drawn` is what its loops draw past caches. `tasks` are the
    iterations of its parallel loop, 1 if there is none; the fewest of several.
    """

    kernel: Kernel
    products: tuple[Product, ...]
    element_operations: int
    activation_bytes: int
    drawn: Steps
    tasks: int


def describe_kernels(
    module: tvm.IRModule,
    target: tvm.target.Target,
    precision: Precision = "float32",
    tuning: Tuning | None = None,
    without: Collection[str] = (),
) -> tuple[KernelNest, ...]:
    """The kernels of a traced model (`trace_model`) compiled for the target, in call order.

    They are tiled as they would be built here: by `tuning`, or the one around the call, or the package's own. `without` is as for `fuse`.

    Raises:
      ValueError: `tuning` is of another CPU than the target's.
    """
    if tuning is not None:
        tuning.check(str(target.attrs["mcpu"]))
    with naming(subnet_of_module(module)), tuning or contextlib.nullcontext(), target:
        fused = fuse(module, target, without, precision)
        scheduled = schedule_kernels(fused)
        lowered = apply(instruction_passes(), scheduled)
    described: dict[str, KernelNest] = {}
    for kernel in (kernels := list_kernels(lowered)):
        if kernel.name not in described:
            described[kernel.name] = _describe(kernel, fused[kernel.name], scheduled[kernel.name])
    return tuple(described[kernel.name] for kernel in kernels)


def _describe(kernel: Kernel, fused: tirx.PrimFunc, scheduled: tirx.PrimFunc) -> KernelNest:
    statements = read_statements(fused)
    products = [statement for statement in statements if statement.is_product]
    read = tuple(read_product(statement, scheduled) for statement in products)
    operands = sum(
        product.batch * product.inner * product.columns * element_bytes(product.dtype)
        for statement, product in zip(products, read, strict=True)
        if _is_argument(statement.reads[1][0], statements, fused)
    )
    operations = kernel.flops - sum(product.executed_flops for product in read)
    parallel = [loop for loops, _ in realized_blocks(scheduled) for loop in loops if loop.kind == tirx.ForKind.PARALLEL]
    tasks = min((int(loop.extent) for loop in parallel), default=1)
    return KernelNest(kernel, read, operations, kernel.bytes - operands, drawn_bytes(scheduled), tasks)


def _is_argument(buffer: tirx.Var, statements: tuple[Statement, ...], function: tirx.PrimFunc) -> bool:
    """True if the buffer is an argument of the function, or one under other indices."""
    if any(buffer.same_as(argument) for argument in function.params):
        return True
    (writer,) = (statement for statement in statements if statement.result.same_as(buffer))
    return writer.copies and _is_argument(writer.reads[0][0], statements, function)
