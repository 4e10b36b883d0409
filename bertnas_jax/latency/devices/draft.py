"""A draft of a device profile from what a data sheet says: core names, clocks, memory bandwidth."""

from __future__ import annotations

import difflib
import json
import pathlib
import re

from bertnas_jax.latency.devices.profile import parse_profile

LIBRARY = pathlib.Path(__file__).parent / "library" / "cores.json"
_CLUSTER = re.compile(r"(\d+)x(.+)@([\d.]+)")
_LABELS = {1: ("large",), 2: ("large", "small"), 3: ("large", "medium", "small"), 4: ("large", "medium", "lower", "small")}
# Common to phones of the last years where a draft's user does not say; every draft marks them as assumed.
_L3_KIB, _TO_CHECK = 4096, "assumed by the draft: replace it by the data sheet's"


def known_cores() -> tuple[str, ...]:
    """The core types a draft can be made of."""
    return tuple(json.loads(LIBRARY.read_text(encoding="utf-8")))


def draft_profile(name: str, clusters: str, dram_gb_s: float) -> dict:
    """The fields of a profile file for clusters such as "1xCortex-X4@3.3,5xCortex-A720@3.15,2xCortex-A520@2.27", fastest first.

    A core type's own figures come from the library; the clocks count as published, what was not given as assumed.

    Raises:
      ValueError: a cluster cannot be read, a core type is not in the library, or a number is impossible.
    """
    library = json.loads(LIBRARY.read_text(encoding="utf-8"))
    wanted = [_CLUSTER.fullmatch(part.strip()) for part in clusters.split(",")]
    if not all(wanted) or len(wanted) not in _LABELS:
        raise ValueError(f"clusters must be 1 to 4 of COUNTxCORE@GHZ, fastest first, got {clusters!r}; e.g. 4xCortex-A76@2.4")
    made = []
    for label, part in zip(_LABELS[len(wanted)], wanted, strict=True):
        count, core, clock_ghz = int(part[1]), part[2], float(part[3])
        if core not in library:
            near = difflib.get_close_matches(core, library, cutoff=0.0)
            raise ValueError(f"core must be of the library, got {core!r}; the nearest are {', '.join(near)}; add it to {LIBRARY.name}")
        given = {"cores": _given(count, "cores"), "clock_ghz": _given(clock_ghz, "GHz")}
        made.append({"label": label, "core": core, **given, **library[core]})
    shared = {"l3_kib": _assumed(_L3_KIB, "KiB"), "dram_gb_s": _given(dram_gb_s, "GB/s")}
    fields = {"title": name, "soc": "to be filled in", "clusters": made, "cpu": shared, "gpu": None}
    parse_profile(name, fields)
    return fields


def _given(value: float, unit: str) -> dict:
    return {"value": value, "unit": unit, "source": "given to the draft: replace it by the data sheet's", "basis": "published"}


def _assumed(value: float, unit: str) -> dict:
    return {"value": value, "unit": unit, "source": _TO_CHECK, "basis": "assumed"}
