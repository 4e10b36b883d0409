"""Our compiler's kernels of a Subnet as kernels to be priced, by what their loop nests do.

Weights are packed when a model is compiled, so no right operand is laid out anew. A kernel of two products is a work
each, of which only the first is dispatched; it also has the arithmetic on elements, which runs in vectors, and what the kernel draws past caches. A product of
int8 is of the numbers that the target's dot instruction takes: bytes, in two passes where activations have two digits, or
16-bit ones; attention's stay float32.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import tvm

from bertnas_jax.compiler import KernelNest, Tuning, describe_kernels
from bertnas_jax.compiler.integer_dot import integer_dots
from bertnas_jax.compiler.products import Product
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, named_target
from bertnas_jax.latency.devices import HOST, DeviceProfile, has_dot
from bertnas_jax.latency.simulate.compiled_kernels import CompiledKernels
from bertnas_jax.latency.simulate.work import BYTES, KernelWork

PRICED = ("float32", "int8_accurate", "int8_fast")
NOTHING = ((0, 0),)  # what a further product draws: it is counted with the first


class FusedKernels(CompiledKernels):
    """The kernels of Subnets compiled for a device's CPU in a precision of `PRICED`.

    Products are tiled by `tuning`, or the one around what is asked, or the package's own for that CPU; `without` names what
    the compiler leaves out (pipeline.OPTIONAL), to tell what it gains.

    Raises:
      ValueError: the compiler's kernels of that precision have no price.
    """

    def __init__(
        self, seq_len: int, precision: str, device: DeviceProfile, tuning: Tuning | None = None, without: Collection[str] = ()
    ):
        if precision not in PRICED:
            raise ValueError(f"our kernels must be in {', '.join(PRICED)} to be priced, got {precision!r}; price int8 and float16 by --runtime=tflite")
        super().__init__(seq_len)
        self._precision, self._target = precision, named_target(target_name(device))
        self._tuning, self._without = tuning, tuple(without)

    def described(self, module: tvm.IRModule) -> Iterator[tuple[str, tuple[KernelWork, ...]]]:
        for nest in describe_kernels(module, self._target, self._precision, self._tuning, self._without):
            yield nest.kernel.signature, tuple(works_of(nest))


def target_name(device: DeviceProfile) -> str:
    """What is compiled for to run on its CPU: a core without dot products would not know those instructions."""
    if device.name == HOST:
        return HOST
    return ANDROID_ARM64 if has_dot(device) else ANDROID_ARM64_PLAIN


def product_dtype(precision: str, device: DeviceProfile) -> str:
    """The numbers that products with weights are of there, whose rate a core must have."""
    if precision == "float32":
        return precision
    with named_target(target_name(device)):
        return integer_dots()[precision].weight_dtype


def works_of(nest: KernelNest) -> Iterator[KernelWork]:
    """What the kernel is priced by.

    Raises:
      ValueError: a product is of a dtype that has no price.
    """
    operations = float(nest.element_operations)
    beside = {"elements": operations, "kind": "vector" if operations else "none", "moved_bytes": nest.activation_bytes, "drawn": nest.drawn}
    if not nest.products:
        yield KernelWork(nest.kernel.name, "float32", tasks=nest.tasks, **beside)
    for number, product in enumerate(nest.products):
        yield KernelWork(
            f"{nest.kernel.name} {number + 1}" if len(nest.products) > 1 else nest.kernel.name,
            _dtype_of(nest, product),
            product.batch,
            product.rows,
            product.inner,
            product.columns,
            tasks=nest.tasks,
            dispatched=number == 0,
            tile_rows=product.tile_rows,
            tile_columns=product.tile_columns,
            passes=product.passes,
            **(beside if number == 0 else {"drawn": NOTHING}),
        )


def _dtype_of(nest: KernelNest, product: Product) -> str:
    if product.dtype not in BYTES:
        raise ValueError(f"a product must be of {tuple(BYTES)} to be priced, got {product.dtype} in {nest.kernel.name}; price float32")
    return product.dtype
