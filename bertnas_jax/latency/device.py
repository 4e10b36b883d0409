"""What the machine that measures is, as far as a latency depends on it."""

from __future__ import annotations

import dataclasses
import pathlib
import platform

from bertnas_jax.latency.pinning import usable_cores

_CPUINFO, _MEMINFO = pathlib.Path("/proc/cpuinfo"), pathlib.Path("/proc/meminfo")
# Instruction sets that the kernels of either runtime choose by; x86 names, then Arm's.
_ISA = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_tile", "asimd", "asimddp", "i8mm", "sve")


@dataclasses.dataclass(frozen=True)
class Host:
    """The machine this process runs on; `memory_gib` is None where the system does not say."""

    cpu: str
    cores: int
    isa: tuple[str, ...]
    memory_gib: float | None
    system: str


def describe_host() -> Host:
    """The host: CPU model, cores usable by this thread, instruction sets, memory, operating system."""
    fields = _cpuinfo_fields(_CPUINFO.read_text()) if _CPUINFO.exists() else {}
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return Host(
        cpu=fields.get("model name") or platform.processor() or platform.machine(),
        cores=len(usable_cores()),
        isa=tuple(name for name in _ISA if name in flags),
        memory_gib=_memory_gib(_MEMINFO.read_text()) if _MEMINFO.exists() else None,
        system=platform.platform(terse=True),
    )


def _cpuinfo_fields(text: str) -> dict[str, str]:
    """The fields of the first core."""
    pairs = (line.split(":", 1) for line in text.split("\n\n", 1)[0].splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _memory_gib(text: str) -> float | None:
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 2**20, 1)  # the file counts KiB
    return None
