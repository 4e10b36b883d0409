"""Our compiler's kernels of a Subnet on a phone's GPU: the launches that are exported as OpenCL C, by what their loops do."""

from __future__ import annotations

from collections.abc import Iterator

import tvm

from bertnas_jax.compiler.gpu_launches import GpuLaunch, describe_launches
from bertnas_jax.compiler.targets import ANDROID_OPENCL, named_target
from bertnas_jax.latency.simulate.compiled_kernels import CompiledKernels
from bertnas_jax.latency.simulate.opencl_roofline import OPENCL_DTYPE


class OpenclKernels(CompiledKernels):
    """The launches of Subnets compiled for any GPU that OpenCL drives.

    Raises:
      ValueError: they are not exported in that precision.
    """

    def __init__(self, seq_len: int, precision: str):
        if precision != OPENCL_DTYPE:
            raise ValueError(f"our kernels on a GPU must be in {OPENCL_DTYPE} to be priced, got {precision!r}; they are exported in no other")
        super().__init__(seq_len)
        self._target = named_target(ANDROID_OPENCL)

    def described(self, module: tvm.IRModule) -> Iterator[tuple[str, tuple[GpuLaunch, ...]]]:
        for kernel, launches in describe_launches(module, self._target):
            yield kernel.signature, launches
