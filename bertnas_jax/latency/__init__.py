"""A compiled or exported model in, latency_ms with its provenance out; every Subnet of a space priced by its kernels' times.

What is compared is measured side by side, against a reference in each round.
"""

from typing import TYPE_CHECKING

from bertnas_jax.latency.device import Host, describe_host
from bertnas_jax.latency.kernel_parts import KernelParts, covering_subnet, decompose
from bertnas_jax.latency.kernel_table import Conditions, KernelTable, Provenance, UnpricedKernelError
from bertnas_jax.latency.measure import Timing, measure_interleaved
from bertnas_jax.latency.pinning import pinned, usable_cores
from bertnas_jax.latency.record import LatencyRecord, append_records, read_records

if TYPE_CHECKING:
    from bertnas_jax.latency.fill_table import Residual, fill_kernel_table, full_inputs, stand_in, table_residuals

_OF_THE_COMPILER = ("Residual", "fill_kernel_table", "full_inputs", "stand_in", "table_residuals")

__all__ = [
    "Conditions",
    "Host",
    "KernelParts",
    "KernelTable",
    "LatencyRecord",
    "Provenance",
    "Residual",
    "Timing",
    "UnpricedKernelError",
    "append_records",
    "covering_subnet",
    "decompose",
    "describe_host",
    "fill_kernel_table",
    "full_inputs",
    "measure_interleaved",
    "pinned",
    "read_records",
    "stand_in",
    "table_residuals",
    "usable_cores",
]


def __getattr__(name: str):
    """What needs TVM, which takes seconds to load, is imported when it is first asked for."""
    if name not in _OF_THE_COMPILER:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from bertnas_jax.latency import fill_table

    return getattr(fill_table, name)
