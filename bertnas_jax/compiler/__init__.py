"""A trained Flax model in, a fused TVM IRModule and a runnable library for the host CPU out.

The same kernels are listed, with their FLOPs and bytes, for whoever prices a Subnet.
"""

from bertnas_jax.compiler.build import CompiledModel, build, compile_lengths, compile_model, load_compiled, trace_model
from bertnas_jax.compiler.gemm_tile import GemmShape, GemmTile
from bertnas_jax.compiler.jaxpr_to_relax import UnknownPrimitiveError, jaxpr_to_relax
from bertnas_jax.compiler.kernel_nests import KernelNest, describe_kernels
from bertnas_jax.compiler.kernels import Kernel, list_kernels
from bertnas_jax.compiler.length_buckets import bucket_lengths
from bertnas_jax.compiler.pipeline import fuse, lower
from bertnas_jax.compiler.profile_kernels import KernelTime, profile_kernels
from bertnas_jax.compiler.schedule_kernels import UnknownKernelError
from bertnas_jax.compiler.targets import host_target
from bertnas_jax.compiler.threads import num_threads, set_num_threads
from bertnas_jax.compiler.tune import product_shapes, tune
from bertnas_jax.compiler.tuning import Tuning, shipped_tuning

__all__ = [
    "CompiledModel",
    "GemmShape",
    "GemmTile",
    "Kernel",
    "KernelNest",
    "KernelTime",
    "Tuning",
    "UnknownKernelError",
    "UnknownPrimitiveError",
    "bucket_lengths",
    "build",
    "compile_lengths",
    "compile_model",
    "describe_kernels",
    "fuse",
    "host_target",
    "jaxpr_to_relax",
    "list_kernels",
    "load_compiled",
    "lower",
    "num_threads",
    "product_shapes",
    "profile_kernels",
    "set_num_threads",
    "shipped_tuning",
    "trace_model",
    "tune",
]
