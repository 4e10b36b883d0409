"""A device's name in, its profile out: what its cores, caches, memory and GPU can do, each figure with its source."""

from bertnas_jax.latency.devices.core_set import GPU, CoreSet, core_set, core_sets
from bertnas_jax.latency.devices.draft import draft_profile
from bertnas_jax.latency.devices.figure import BASES, Figure
from bertnas_jax.latency.devices.profile import (
    DOT_FACTOR,
    HOST,
    Cluster,
    Cpu,
    DeviceProfile,
    Gpu,
    described_devices,
    device_names,
    has_dot,
    load_profile,
    loads_our_libraries,
    parse_profile,
)

__all__ = [
    "BASES",
    "DOT_FACTOR",
    "GPU",
    "HOST",
    "Cluster",
    "CoreSet",
    "Cpu",
    "DeviceProfile",
    "Figure",
    "Gpu",
    "core_set",
    "core_sets",
    "described_devices",
    "device_names",
    "draft_profile",
    "has_dot",
    "load_profile",
    "loads_our_libraries",
    "parse_profile",
]
