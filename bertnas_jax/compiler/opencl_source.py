"""OpenCL C as its distinct kernels: TVM declares all kernels before each one, and writes equal ones under every name."""

from __future__ import annotations

import re

_HEADING = "// Function: "
_DECLARATION = re.compile(r"^__kernel void \w+\([^)]*\);\n", re.MULTILINE)


def distinct_kernels(source: str) -> tuple[str, dict[str, str]]:
    """The source with one kernel of each text, and for every kernel's name that of the one that is kept."""
    _, *sections = source.split(_HEADING)
    kept: dict[str, tuple[str, str]] = {}  # by its text without a name: the kernel's name and its whole text
    names: dict[str, str] = {}
    for section in sections:
        name, text = section.split("\n", 1)
        text = _DECLARATION.sub("", text).strip()
        nameless = text.replace(f"__kernel void {name}(", "__kernel void (")
        names[name] = kept.setdefault(nameless, (name, text))[0]
    return "".join(f"{text}\n\n" for _, text in kept.values()), names
