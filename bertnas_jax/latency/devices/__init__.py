"""A device's name in, its profile out: what its cores, caches, memory and GPU can do, each figure with its source."""

from bertnas_jax.latency.devices.core_set import GPU, CoreSet, core_set, core_sets
from bertnas_jax.latency.devices.draft import draft_profile
from bertnas_jax.latency.devices.figure import BASES, Figure
from bertnas_jax.latency.devices.profile import (
    HOST,
    Cluster,
    Cpu,
    DeviceProfile,
    Gpu,
    described_devices,
    device_names,
    load_profile,
    parse_profile,
)

__all__ = [
    "BASES",
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
    "load_profile",
    "parse_profile",
]
