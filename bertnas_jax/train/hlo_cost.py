"""What one run of a compiled program costs, by XLA's own estimates in its text.

`compiled.cost_analysis()` counts a loop's body once, and its `optimal_seconds` is negative where there
is a choice that only the run knows (libtpu 0.0.52), so the text is walked: a loop costs its trips times its body, a conditional
or a row of loops of which one runs (`supernet.choose`) its dearest branch, an instruction the cycles that XLA's TPU backend writes beside it
(`estimated_cycles`), a collective the bytes of its result.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import re
from collections.abc import Callable

from bertnas_jax.supernet.choose import SCOPE

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_RESULT_IS_SECOND = ("all-gather-start", "collective-permute-start")  # (operands, results, contexts)
_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8}

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = (.*?) ([a-z][a-z0-9\-]*)\((.*)$")
_SHAPE = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_CHOSEN = re.compile(rf'op_name="[^"]*/{SCOPE}(\d+)/while"')
_CALLED = re.compile(r"\b(body|condition|calls|to_apply|true_computation|false_computation|branch_computations)=(\{[^}]*\}|%?[\w.\-]+)")


@dataclasses.dataclass(frozen=True)
class HloCost:
    """Cycles of one device, and bytes of the results of its collectives by kind."""

    cycles: int = 0
    collective_bytes: tuple[tuple[str, int], ...] = ()

    def plus(self, other: HloCost, times: int = 1) -> HloCost:
        total = collections.Counter(dict(self.collective_bytes))
        for kind, size in other.collective_bytes:
            total[kind] += times * size
        return HloCost(self.cycles + times * other.cycles, tuple(sorted(total.items())))


@dataclasses.dataclass(frozen=True)
class _Instruction:
    result: str
    opcode: str
    rest: str

    def called(self) -> dict[str, list[str]]:
        return {role: re.findall(r"[\w.\-]+", names) for role, names in _CALLED.findall(self.rest)}


def cost_of(text: str, most_trips: int | None = None) -> HloCost:
    """The cost of the entry computation of a compiled module's text (`compiled.as_text()`).

    A loop whose trips only the run knows is taken to make `most_trips`.

    Raises:
      ValueError: the text has no entry, or a loop's trips are not written in its condition and `most_trips` is not given.
    """
    computations, entry = _parse(text)

    @functools.cache
    def of(name: str) -> HloCost:
        total, choice = HloCost(), []
        for instruction in computations[name]:
            position = _position(instruction)
            if position is None:
                total = total.plus(_instruction_cost(instruction, of, functools.partial(_trips, computations, most_trips)))
                continue
            if position == 0:  # another row begins
                total, choice = total.plus(_dearest(choice)), []
            choice.append(_instruction_cost(instruction, of, lambda condition: 1))
        return total.plus(_dearest(choice))

    return of(entry)


def _parse(text: str) -> tuple[dict[str, list[_Instruction]], str]:
    computations: dict[str, list[_Instruction]] = {}
    entry, current = None, []
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            current = computations[header[2]] = []
            entry = header[2] if header[1] else entry
        elif instruction := _INSTRUCTION.match(line):
            current.append(_Instruction(*instruction.groups()))
    if entry is None:
        raise ValueError(f"a compiled program's text must have an ENTRY, got {text[:60]!r}; give compiled.as_text()")
    return computations, entry


def _instruction_cost(instruction: _Instruction, of: Callable[[str], HloCost], trips: Callable[[str], int]) -> HloCost:
    own = HloCost(sum(map(int, _CYCLES.findall(instruction.rest))), _collective(instruction))
    called = instruction.called()
    if instruction.opcode == "while":
        return own.plus(of(called["body"][0]), trips(called["condition"][0]))
    if instruction.opcode == "conditional":
        branches = called.get("branch_computations") or called["true_computation"] + called["false_computation"]
        return own.plus(_dearest([of(branch) for branch in branches]))
    if instruction.opcode == "call":
        return own.plus(of(called["to_apply"][0]))
    for name in called.get("calls", ()):  # a fusion has its own cycles, and may hold a collective
        own = own.plus(HloCost(0, of(name).collective_bytes))
    return own


def _position(instruction: _Instruction) -> int | None:
    """The place of a loop in a row of loops of which one runs; None for anything else."""
    found = _CHOSEN.search(instruction.rest) if instruction.opcode == "while" else None
    return found and int(found[1])


def _dearest(costs: list[HloCost]) -> HloCost:
    return max(costs, key=lambda cost: (cost.cycles, sum(size for _, size in cost.collective_bytes)), default=HloCost())


def _collective(instruction: _Instruction) -> tuple[tuple[str, int], ...]:
    kind = instruction.opcode.removesuffix("-start")
    if kind not in COLLECTIVES:
        return ()
    sizes = [_size(dtype, dims) for dtype, dims in _SHAPE.findall(instruction.result) if (dtype, dims) != ("u32", "")]
    if instruction.opcode in _RESULT_IS_SECOND:
        sizes = sizes[len(sizes) // 2 :]
    return ((kind, sum(sizes)),)


def _size(dtype: str, dims: str) -> int:
    size = _BYTES[dtype]
    for dim in filter(None, dims.split(",")):
        size *= int(dim)
    return size


def _trips(computations: dict[str, list[_Instruction]], most_trips: int | None, condition: str) -> int:
    constants = [
        int(found[1])
        for instruction in computations[condition]
        if instruction.opcode == "constant" and instruction.result.startswith("s32[]") and (found := re.match(r"(\d+)\)", instruction.rest))
    ]
    if len(constants) == 1:
        return constants[0]
    if most_trips is None:
        raise ValueError(f"a loop must count up to one constant, got {constants} in {condition}; give the most_trips that it can make")
    return most_trips
