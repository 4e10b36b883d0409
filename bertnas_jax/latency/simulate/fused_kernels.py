"""Our compiler's kernels of a Subnet as kernels to be priced, by what their loop nests do.

Weights are packed when a model is compiled, so no right operand is laid out anew. A kernel of two products is a work
each, of which only the first is dispatched; it also has the arithmetic on elements, which runs in vectors. A product of
int8 is of the numbers that the target's dot instruction takes: bytes, in two passes where activations have two digits, or
16-bit ones; attention's stay float32.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

import tvm

from bertnas_jax.compiler import KernelNest, Tuning, describe_kernels, trace_model
from bertnas_jax.compiler.products import Product
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, named_target
from bertnas_jax.latency.devices import HOST, DeviceProfile, has_dot
from bertnas_jax.latency.fill_table import stand_in
from bertnas_jax.latency.kernel_parts import KernelCounts, decompose
from bertnas_jax.latency.kernel_table import Conditions
from bertnas_jax.latency.simulate.work import BYTES, KernelWork
from bertnas_jax.space import SearchSpace, Subnet

PRICED = ("float32", "int8_accurate", "int8_fast")


class FusedKernels:
    """The kernels of Subnets compiled for a device in a precision of `PRICED`; `works` are those of every kernel met, by its signature.

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
        self._seq_len, self._precision, self._target = seq_len, precision, _target_of(device)
        self._tuning, self._without = tuning, tuple(without)
        self.works: dict[str, tuple[KernelWork, ...]] = {}

    def counts(self, subnet: Subnet) -> KernelCounts:
        """How often each kernel of the Subnet runs, by signature."""
        return Counter(self._calls(subnet))

    def kernels(self, subnet: Subnet) -> list[KernelWork]:
        """The works of one run of the Subnet, in the order they run."""
        return [work for signature in self._calls(subnet) for work in self.works[signature]]

    def _calls(self, subnet: Subnet) -> Iterator[str]:
        module = trace_model(stand_in(subnet, Conditions(self._seq_len, threads=1)), self._seq_len)
        for nest in describe_kernels(module, self._target, self._precision, self._tuning, self._without):
            if nest.kernel.signature not in self.works:
                self.works[nest.kernel.signature] = tuple(works_of(nest))
            yield nest.kernel.signature


class SpaceKernels:
    """The kernels of every Subnet of a space, from those of a few that are lowered."""

    def __init__(self, space: SearchSpace, seq_len: int, precision: str, device: DeviceProfile, tuning: Tuning | None = None):
        fused = FusedKernels(seq_len, precision, device, tuning)
        self.parts, self.works = decompose(space, fused.counts), fused.works

    def of(self, subnet: Subnet) -> tuple[tuple[KernelWork, int], ...]:
        """The works of a Subnet with how often each runs.

        Raises:
          ValueError: the Subnet has a size that the space has not.
        """
        return tuple((work, times) for signature, times in self.parts.kernels(subnet).items() for work in self.works[signature])


def _target_of(device: DeviceProfile) -> tvm.target.Target:
    """What is compiled for to run there: a core without dot products would not know those instructions."""
    if device.name == HOST:
        return named_target(HOST)
    return named_target(ANDROID_ARM64 if has_dot(device) else ANDROID_ARM64_PLAIN)


def works_of(nest: KernelNest) -> Iterator[KernelWork]:
    """What the kernel is priced by.

    Raises:
      ValueError: a product is of a dtype that has no price.
    """
    operations = float(nest.element_operations)
    beside = {"elements": operations, "kind": "vector" if operations else "none", "moved_bytes": nest.activation_bytes}
    if not nest.products:
        yield KernelWork(nest.kernel.name, "float32", parallel=nest.is_parallel, **beside)
    for number, product in enumerate(nest.products):
        yield KernelWork(
            f"{nest.kernel.name} {number + 1}" if len(nest.products) > 1 else nest.kernel.name,
            _dtype_of(nest, product),
            product.batch,
            product.rows,
            product.inner,
            product.columns,
            parallel=nest.is_parallel,
            dispatched=number == 0,
            tile_rows=product.tile_rows,
            tile_columns=product.tile_columns,
            swept_columns=product.swept_columns,
            passes=product.passes,
            **(beside if number == 0 else {}),
        )


def _dtype_of(nest: KernelNest, product: Product) -> str:
    if product.dtype not in BYTES:
        raise ValueError(f"a product must be of {tuple(BYTES)} to be priced, got {product.dtype} in {nest.kernel.name}; price float32")
    return product.dtype
