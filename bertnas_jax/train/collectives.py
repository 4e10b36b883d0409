"""Bytes that a chip sends in a collective of a compiled program, read off the instruction's text.

Counted is what leaves a chip in a ring over the n chips of a group, each part of 1/n going round once: with S the
bytes of the whole array, of an all-gather's result or of any other collective's operand on a chip,

  all-reduce           2 (n - 1) / n S: a reduce-scatter, and an all-gather of its results
  all-gather           (n - 1) / n S
  reduce-scatter       (n - 1) / n S
  all-to-all           (n - 1) / n S, sent straight to the others; what a chip passes on for them is not counted
  collective-permute   S, if any chip sends to another

Source: nccl-tests, doc/PERFORMANCE.md, factors of the bus bandwidth; of the ring, and that no all-reduce sends less:
Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations", theorem 1.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8}
_RING = {  # what is sent, by the bytes of the result on a chip
    "all-reduce": lambda n: Fraction(2 * (n - 1), n),
    "all-gather": lambda n: Fraction(n - 1, n),
    "reduce-scatter": lambda n: Fraction(n - 1),  # the operand is n times the result
    "all-to-all": lambda n: Fraction(n - 1, n),
}
COLLECTIVES = (*_RING, "collective-permute")

_SHAPE = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
_GROUPS = re.compile(r"replica_groups=(?:(\{\})|\{(\{.*?\})\}|\[([\d,]+)\]<=|mesh\[(.*?)\][^{]*\{(.*?)\})")
_CONTINUED = re.compile(r'"async_collective_fusion_config":\{"flag_start":"(?!-1")')
_SCATTERING = "all-reduce-scatter"  # what libtpu 0.0.52 calls such fusions, and their emitter AllReduceScatterFusion


def sent_bytes(opcode: str, result: str, attributes: str, devices: int) -> tuple[str, int] | None:
    """The kind of an instruction's collective and the bytes that a chip sends in it; None of any other instruction.

    `result` is the text of its result's type, `attributes` what follows the opening bracket of its operands, and `devices`
    the number that run the program. What only awaits a collective (`-done`), or is a later one of the fusions in which
    a TPU runs a collective beside other work and each of which names it (`flag_start` is -1 in the first), sends nothing.

    Raises:
      ValueError: its groups or an array's type are written in a way that is not known.
    """
    kind = opcode.removesuffix("-start")
    if kind not in COLLECTIVES or _CONTINUED.search(attributes):
        return None
    # The -start of an all-reduce has its result alone, that of any other (operands, results, contexts ...).
    size = _size(result if opcode == kind or kind == "all-reduce" else _elements(result)[1])
    if kind == "collective-permute":
        pairs = re.findall(r"\{(\d+),(\d+)\}", attributes)
        return kind, size if any(source != target for source, target in pairs) else 0
    return kind, math.ceil(size * _RING[kind](_group_size(attributes, devices)))


def sent_in_fusion(name: str, sent: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """What a fusion of this name sends, by kind, from what its instructions would: an all-reduce of which each chip keeps a part scatters."""
    if not name.startswith(_SCATTERING):
        return sent
    return tuple(("reduce-scatter", -(-size // 2)) if kind == "all-reduce" else (kind, size) for kind, size in sent)


def _size(types: str) -> int:
    """Bytes of all arrays of a type, a tuple or not."""
    total = 0
    for dtype, dims in _SHAPE.findall(types):
        if dtype not in _BYTES:
            raise ValueError(f"a collective's array must be of a type of {', '.join(_BYTES)}, got {dtype}[{dims}]; add its bytes to collectives.py")
        total += _BYTES[dtype] * math.prod(int(dim) for dim in dims.split(",") if dim)
    return total


def _elements(types: str) -> list[str]:
    """The types in a tuple's; a tuple among them is one."""
    elements, depth = [""], 0
    for letter in types.strip()[1:-1]:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            elements.append("")
        else:
            elements[-1] += letter
    return elements


def _group_size(attributes: str, devices: int) -> int:
    """Chips of the largest group; all, where none are named."""
    found = _GROUPS.search(attributes)
    if found is None:
        raise ValueError(f"a collective's replica_groups must be lists, [groups,size]<=[...] or axes of a mesh, got {attributes[:200]!r}")
    everyone, lists, iota, mesh, axes = found.groups()
    if everyone:
        return devices
    if lists:
        return max(group.count(",") + 1 for group in re.findall(r"\{[\d,]+\}", lists))
    if iota:
        return int(iota.split(",")[1])
    sizes = dict(re.findall(r"'([^']+)'=(\d+)", mesh))
    # 'x':(1)2 is a part of an axis, 2 chips long.
    return math.prod(int(part or sizes[axis]) for axis, part in re.findall(r"'([^']+)'(?::\(\d+\)(\d+))?", axes)) if axes else devices
