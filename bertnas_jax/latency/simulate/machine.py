"""The figures of core sets as arrays: one row a core set, one column a cluster of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from bertnas_jax.latency.devices import Cluster, CoreSet

CPU_DTYPES = ("float32", "int8")  # of whole models; products of our own int8 kernels may be of 16-bit numbers
PRODUCT_DTYPES = (*CPU_DTYPES, "int16")


@dataclasses.dataclass(frozen=True)
class CpuMachine:
    """Core sets, a row each; clusters, fastest first, along the second axis, as many as the largest has, with a count of 0 where there is none."""

    count: Float[np.ndarray, "r s"]
    clock_ghz: Float[np.ndarray, "r s"]
    float32_per_cycle: Float[np.ndarray, "r s"]
    int8_per_cycle: Float[np.ndarray, "r s"]
    int16_per_cycle: Float[np.ndarray, "r s"]
    vector_bits: Float[np.ndarray, "r s"]
    issue_width: Float[np.ndarray, "r s"]
    out_of_order: Float[np.ndarray, "r s"]
    l1_bytes: Float[np.ndarray, "r s"]
    l2_bytes: Float[np.ndarray, "r s"]
    stream_gb_s: Float[np.ndarray, "r s"]
    l3_bytes: Float[np.ndarray, " r"]
    slc_bytes: Float[np.ndarray, " r"]
    dram_gb_s: Float[np.ndarray, " r"]
    fills_slowest: Bool[np.ndarray, " r"]

    def rows(self, index: Int[np.ndarray, " e"]) -> CpuMachine:
        """The machine of each kernel, given which core set it runs on."""
        return CpuMachine(**{field.name: getattr(self, field.name)[index] for field in dataclasses.fields(self)})


def cpu_machine(sets: Sequence[CoreSet]) -> CpuMachine:
    """The arrays of these core sets.

    A cluster without a rate for a dtype has NaN: `check_dtype` says so before anything is priced.
    """
    slots = max(len(cores.parts) for cores in sets)
    padded = [[*cores.parts, *[(0, cores.parts[0][1])] * (slots - len(cores.parts))] for cores in sets]

    def each(value_of) -> Float[np.ndarray, "r s"]:
        return np.array([[value_of(cluster) for _, cluster in parts] for parts in padded], float)

    def rate(dtype: str) -> Float[np.ndarray, "r s"]:
        return each(lambda cluster: _rate(cluster, dtype))

    return CpuMachine(
        count=np.array([[count for count, _ in parts] for parts in padded], float),
        clock_ghz=each(lambda cluster: cluster.clock_ghz.value * cluster.sustained_share.value),
        float32_per_cycle=rate("float32"),
        int8_per_cycle=rate("int8"),
        int16_per_cycle=rate("int16"),
        vector_bits=each(lambda cluster: cluster.vector_bits.value),
        issue_width=each(lambda cluster: cluster.issue_width.value),
        out_of_order=each(lambda cluster: cluster.out_of_order.value),
        l1_bytes=each(lambda cluster: cluster.l1d_kib.value * 1024),
        l2_bytes=each(lambda cluster: cluster.l2_kib.value * 1024),
        stream_gb_s=each(lambda cluster: cluster.stream_gb_s.value),
        l3_bytes=np.array([cores.device.cpu.l3_kib.value * 1024 for cores in sets]),
        slc_bytes=np.array([slc.value * 1024 if (slc := cores.device.cpu.slc_kib) else 0.0 for cores in sets]),
        dram_gb_s=np.array([cores.device.cpu.dram_gb_s.value for cores in sets]),
        fills_slowest=np.array([cores.fills_slowest for cores in sets]),
    )


def check_dtype(cores: CoreSet, dtype: str) -> None:
    """Raises ValueError if a core of the set has no rate for the dtype, or no runtime here uses it."""
    if dtype not in PRODUCT_DTYPES:
        raise ValueError(f"dtype on a CPU must be one of {PRODUCT_DTYPES}, got {dtype!r}; float16 is priced on GPUs")
    for _, cluster in cores.parts:
        if np.isnan(_rate(cluster, dtype)):
            raise ValueError(
                f"{cores.device.name}'s {cluster.core} must have a rate for {dtype} to be priced, got null; give {dtype}_per_cycle in its profile"
            )


def _rate(cluster: Cluster, dtype: str) -> float:
    figure = {"float32": cluster.float32_per_cycle, "int8": cluster.int8_per_cycle, "int16": cluster.int16_per_cycle}[dtype]
    return float("nan") if figure is None else figure.value
