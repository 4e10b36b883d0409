"""The caches of this machine's first core, as Linux tells them."""

from __future__ import annotations

import pathlib

CACHES = pathlib.Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1 << 10, "M": 1 << 20}


def read_data_cache(level: int, folder: pathlib.Path = CACHES) -> tuple[int, pathlib.Path] | None:
    """Bytes of the data or unified cache of a level, and the file that says so; None if the folder tells of none such."""
    for index in sorted(folder.glob("index*")):
        kind, at, size = ((index / name).read_text(encoding="utf-8").strip() for name in ("type", "level", "size"))
        if int(at) == level and kind != "Instruction":
            return int(size[:-1]) * _UNITS[size[-1]], index / "size"
    return None
