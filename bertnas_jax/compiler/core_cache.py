"""How much a core of a target keeps close: its second-level cache."""

from __future__ import annotations

import pathlib

import tvm
from tvm.target import codegen

from bertnas_jax.host_caches import CACHES, read_data_cache

# Source: WikiChip, Cortex-A76: 128 to 512 KB a core, here the most, as with half of less the residual would leave the product.
# Assumed for the Cortex-A73, for GPUs, and for hosts whose system does not say.
_UNKNOWN_BYTES = 512 << 10


def core_cache_bytes() -> int:
    """Bytes of the second-level cache of one core of the target around the call; this machine's for its own CPU.

    Raises:
      ValueError: no target is around the call.
    """
    target = tvm.target.Target.current()
    if target is None:
        raise ValueError("a target must be around what is compiled, got none; use `with target:`")
    is_host = target.kind.name == "llvm" and str(target.attrs.get("mcpu", "")) == codegen.llvm_get_system_cpu()
    return (read_core_cache(CACHES) if is_host else None) or _UNKNOWN_BYTES


def read_core_cache(caches: pathlib.Path) -> int | None:
    """Bytes of a core's second-level cache by Linux's folder of its caches; None if it has none such."""
    found = read_data_cache(2, caches)
    return found[0] if found else None
