"""Our compiler's kernels of a Subnet as kernels to be priced, by what their loop nests do.

Weights are packed when a model is compiled, so no right operand is laid out anew. A kernel of two products is a work
each, of which only the first is dispatched; it also has the arithmetic on elements, which runs in vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bertnas_jax.compiler import KernelNest, describe_kernels, trace_model
from bertnas_jax.compiler.products import Product
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from bertnas_jax.latency.devices import HOST, DeviceProfile
from bertnas_jax.latency.fill_table import stand_in
from bertnas_jax.latency.kernel_parts import KernelCounts, decompose
from bertnas_jax.latency.kernel_table import Conditions
from bertnas_jax.latency.simulate.work import BYTES, KernelWork
from bertnas_jax.space import SearchSpace, Subnet


class FusedKernels:
    """The kernels of Subnets compiled for a device; `works` are those of every kernel met, by its signature.

    Raises:
      ValueError: the compiler has no kernels of the dtype there.
    """

    def __init__(self, seq_len: int, dtype: str, device: DeviceProfile):
        if dtype != "float32":
            raise ValueError(f"our kernels must be in float32 to be priced, got {dtype!r}; price int8 and float16 by --runtime=tflite")
        self._seq_len, self._target = seq_len, named_target(device.name if device.name == HOST else ANDROID_ARM64)
        self.works: dict[str, tuple[KernelWork, ...]] = {}

    def counts(self, subnet: Subnet) -> KernelCounts:
        """How often each kernel of the Subnet runs, by signature."""
        return Counter(self._calls(subnet))

    def kernels(self, subnet: Subnet) -> list[KernelWork]:
        """The works of one run of the Subnet, in the order they run."""
        return [work for signature in self._calls(subnet) for work in self.works[signature]]

    def _calls(self, subnet: Subnet) -> Iterator[str]:
        module = trace_model(stand_in(subnet, Conditions(self._seq_len, threads=1)), self._seq_len)
        for nest in describe_kernels(module, self._target):
            if nest.kernel.signature not in self.works:
                self.works[nest.kernel.signature] = tuple(works_of(nest))
            yield nest.kernel.signature


class SpaceKernels:
    """The kernels of every Subnet of a space, from those of a few that are lowered."""

    def __init__(self, space: SearchSpace, seq_len: int, dtype: str, device: DeviceProfile):
        fused = FusedKernels(seq_len, dtype, device)
        self.parts, self.works = decompose(space, fused.counts), fused.works

    def of(self, subnet: Subnet) -> tuple[tuple[KernelWork, int], ...]:
        """The works of a Subnet with how often each runs.

        Raises:
          ValueError: the Subnet has a size that the space has not.
        """
        return tuple((work, times) for signature, times in self.parts.kernels(subnet).items() for work in self.works[signature])


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
            **(beside if number == 0 else {}),
        )


def _dtype_of(nest: KernelNest, product: Product) -> str:
    if product.dtype not in BYTES:
        raise ValueError(f"a product must be of {tuple(BYTES)} to be priced, got {product.dtype} in {nest.kernel.name}; price float32")
    return product.dtype
