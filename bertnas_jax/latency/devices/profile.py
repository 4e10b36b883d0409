"""Device profiles: one JSON file a device in this folder, checked as it is read; that of this machine is measured."""

from __future__ import annotations

import dataclasses
import difflib
import json
import pathlib

from bertnas_jax.latency.devices.figure import Figure, figure, read_section

FOLDER = pathlib.Path(__file__).parent
HOST = "host"  # this machine
DOT_FACTOR = 4.0  # 8-bit operations a cycle for each of float32, where a core has dot products


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Equal cores that share a clock. `label` is what core sets call it: large, medium, small.

    `int8_per_cycle` is the rate of products of bytes, by dot products where the core has them; `int16_per_cycle` that of
    products of 16-bit numbers, which a core that is asked for no such kernel need not have. `active_watts` is what one busy core
    draws beside an idle device, where somebody measured it.
    """

    label: str
    core: str
    cores: Figure = figure("cores", 1, 256)
    clock_ghz: Figure = figure("GHz", 0.2, 6.5)
    sustained_share: Figure = figure("share of the clock", 0.1, 1)
    float32_per_cycle: Figure = figure("FLOP/cycle", 1, 256)
    float16_per_cycle: Figure | None = figure("FLOP/cycle", 1, 512, optional=True)
    int8_per_cycle: Figure | None = figure("op/cycle", 1, 4096, optional=True)
    vector_bits: Figure = figure("bits", 64, 2048)
    issue_width: Figure = figure("instructions/cycle", 1, 16)
    out_of_order: Figure = figure("1 if out of order, 0 if in order", 0, 1)
    l1d_kib: Figure = figure("KiB", 4, 1024)
    l2_kib: Figure = figure("KiB", 0, 65536)  # 0 where a core shares all but its L1
    stream_gb_s: Figure = figure("GB/s", 0.5, 200)
    int16_per_cycle: Figure | None = figure("op/cycle", 1, 4096, late=True)
    active_watts: Figure | None = figure("W", 0.005, 50, late=True)


@dataclasses.dataclass(frozen=True)
class Cpu:
    """The clusters, fastest first, and what they share. `l3_kib` is 0 where there is none.

    `slc_kib` is what the cores may take of a system level cache beside the GPU and others, null where nobody says; it is no faster than the memory behind it.
    """

    clusters: tuple[Cluster, ...]
    l3_kib: Figure
    dram_gb_s: Figure
    slc_kib: Figure | None = None


@dataclasses.dataclass(frozen=True)
class _Shared:
    l3_kib: Figure = figure("KiB", 0, 1 << 20)
    dram_gb_s: Figure = figure("GB/s", 0.5, 2000)
    slc_kib: Figure | None = figure("KiB", 0, 1 << 20, late=True)


@dataclasses.dataclass(frozen=True)
class Gpu:
    """Peak rates; `texture_gb_s` is what the texture units deliver from their caches, 4 halves a texel.

    `local_kib` is the local memory that a work-group may have, where somebody says. What starting a kernel takes is calibrated (simulate/gpu_roofline.py).
    """

    name: str
    clock_ghz: Figure = figure("GHz", 0.1, 4)
    float32_gflops: Figure = figure("GFLOP/s", 1, 1e5)
    float16_gflops: Figure = figure("GFLOP/s", 1, 2e5)
    texture_gb_s: Figure = figure("GB/s", 1, 1e5)
    dram_gb_s: Figure = figure("GB/s", 0.5, 2000)
    local_kib: Figure | None = figure("KiB", 1, 4096, late=True)


@dataclasses.dataclass(frozen=True)
class DeviceProfile:
    """What the simulator knows of a device. `gpu` is None where the device has none worth pricing."""

    name: str
    title: str
    soc: str
    cpu: Cpu
    gpu: Gpu | None

    def figures(self) -> list[tuple[str, Figure]]:
        """Every figure with its place in the file."""
        sections = [(f"clusters[{i}]", cluster) for i, cluster in enumerate(self.cpu.clusters)] + [("cpu", self.cpu), ("gpu", self.gpu)]
        named = [(f"{where}.{field.name}", getattr(section, field.name)) for where, section in sections if section for field in dataclasses.fields(section)]
        return [(name, value) for name, value in named if isinstance(value, Figure)]


def has_dot(profile: DeviceProfile) -> bool:
    """True if every core multiplies 8-bit numbers by dot products: a thread may run on any."""
    rates = [(cluster.int8_per_cycle, cluster.float32_per_cycle) for cluster in profile.cpu.clusters]
    return all(int8 is not None and int8.value >= DOT_FACTOR * float32.value for int8, float32 in rates)


def loads_our_libraries(profile: DeviceProfile) -> bool:
    """True if its system loads a shared library for Linux or Android, and OpenCL: not Apple's."""
    return not profile.cpu.clusters[0].core.startswith("Apple-")


def described_devices(folder: pathlib.Path = FOLDER) -> tuple[str, ...]:
    """The devices that have a file in the folder."""
    return tuple(sorted(path.stem for path in folder.glob("*.json")))


def device_names() -> tuple[str, ...]:
    """Every device that has a profile: those with a file, and this machine."""
    return (*described_devices(), HOST)


def load_profile(name: str, folder: pathlib.Path = FOLDER) -> DeviceProfile:
    """The profile of a device by the name of its file; that of "host" is measured once a process, in about a second.

    Raises:
      ValueError: there is no such profile, or its file is not one.
      RuntimeError: this machine cannot be measured.
    """
    if name == HOST:
        from bertnas_jax.latency.devices.detect import detected_host  # it measures by what imports this room

        return parse_profile(HOST, detected_host())
    path, known = folder / f"{name}.json", (*described_devices(folder), HOST)
    if name not in known:
        near = difflib.get_close_matches(name, known, cutoff=0.3) or known
        raise ValueError(f"device must have a profile, got {name!r}; the nearest are {', '.join(near)}; a new one is a file in {folder}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be JSON, got {error}; see the other profiles") from error
    return parse_profile(name, fields)


def parse_profile(name: str, fields: object) -> DeviceProfile:
    """The profile of a parsed file.

    Raises:
      ValueError: a figure is missing, impossible or without its source; the message names it.
    """
    expected = ["clusters", "cpu", "gpu", "soc", "title"]
    if not isinstance(fields, dict) or sorted(fields) != expected:
        got = sorted(fields) if isinstance(fields, dict) else fields
        raise ValueError(f"the profile of {name} must have the fields {expected}, got {got}; see the other profiles")
    if not isinstance(fields["clusters"], list) or not fields["clusters"]:
        raise ValueError(f"{name}.clusters must be a list of clusters, got {fields['clusters']!r}; give at least one")
    clusters = tuple(read_section(Cluster, cluster, f"{name}.clusters[{i}]") for i, cluster in enumerate(fields["clusters"]))
    labels = [cluster.label for cluster in clusters]
    if len(set(labels)) != len(labels):
        raise ValueError(f"{name}.clusters must have labels of their own, got {labels}; call them large, medium, small")
    for i, cluster in enumerate(clusters):
        if cluster.cores.value != int(cluster.cores.value):
            raise ValueError(f"{name}.clusters[{i}].cores must be a whole number, got {cluster.cores.value}; count them")
    shared = read_section(_Shared, fields["cpu"], f"{name}.cpu")
    gpu = None if fields["gpu"] is None else read_section(Gpu, fields["gpu"], f"{name}.gpu")
    return DeviceProfile(name, str(fields["title"]), str(fields["soc"]), Cpu(clusters, shared.l3_kib, shared.dram_gb_s, shared.slc_kib), gpu)
