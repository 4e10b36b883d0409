"""What one run of a compiled program costs, by XLA's own estimates in its text.

`compiled.cost_analysis()` counts a loop's body once, and its `optimal_seconds` is negative where there
is a choice that only the run knows (libtpu 0.0.52), so the text is walked: a loop costs its trips times its body, a conditional
or a row of loops of which one runs (`supernet.choose`) its dearest branch, an instruction the cycles that XLA's TPU backend writes beside it
(`estimated_cycles`), a collective the bytes that a chip sends in it (`collectives`).
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
import re
from collections.abc import Callable

from bertnas_jax.supernet.choose import SCOPE
from bertnas_jax.train.collectives import sent_bytes, sent_in_fusion

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = (.*?) ([a-z][a-z0-9\-]*)\((.*)$")
_DEVICES = re.compile(r"\b(?:num_partitions|replica_count)=(\d+)")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_CHOSEN = re.compile(rf'op_name="[^"]*/{SCOPE}(\d+)/while"')
_CALLED = re.compile(r"\b(body|condition|calls|to_apply|true_computation|false_computation|branch_computations)=(\{[^}]*\}|%?[\w.\-]+)")


@dataclasses.dataclass(frozen=True)
class HloCost:
    """Cycles of one device, and the bytes that a chip sends in collectives by kind."""

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
    devices = math.prod(map(int, _DEVICES.findall(text.partition("\n")[0])))

    @functools.cache
    def of(name: str) -> HloCost:
        total, choice = HloCost(), []
        for instruction in computations[name]:
            position, own = _position(instruction), _own_cost(instruction, devices)
            if position is None:
                total = total.plus(own).plus(_called_cost(instruction, of, functools.partial(_trips, computations, most_trips)))
                continue
            if position == 0:  # another row begins
                total, choice = total.plus(_dearest(choice)), []
            choice.append(own.plus(_called_cost(instruction, of, lambda condition: 1)))
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


def _own_cost(instruction: _Instruction, devices: int) -> HloCost:
    sent = sent_bytes(instruction.opcode, instruction.result, instruction.rest, devices)
    return HloCost(sum(map(int, _CYCLES.findall(instruction.rest))), (sent,) if sent else ())


def _called_cost(instruction: _Instruction, of: Callable[[str], HloCost], trips: Callable[[str], int]) -> HloCost:
    called = instruction.called()
    if instruction.opcode == "while":
        return HloCost().plus(of(called["body"][0]), trips(called["condition"][0]))
    if instruction.opcode == "conditional":
        branches = called.get("branch_computations") or called["true_computation"] + called["false_computation"]
        return _dearest([of(branch) for branch in branches])
    if instruction.opcode == "call":
        return of(called["to_apply"][0])
    total = HloCost()
    if instruction.opcode in ("async-update", "async-done"):  # they name again what async-start called
        return total
    for name in called.get("calls", ()):  # a fusion has its own cycles, and may hold a collective
        total = total.plus(HloCost(0, sent_in_fusion(name, of(name).collective_bytes)))
    return total


def _position(instruction: _Instruction) -> int | None:
    """The place of a loop in a row of loops of which one runs; None for anything else."""
    found = _CHOSEN.search(instruction.rest) if instruction.opcode == "while" else None
    return found and int(found[1])


def _dearest(costs: list[HloCost]) -> HloCost:
    return max(costs, key=lambda cost: (cost.cycles, sum(size for _, size in cost.collective_bytes)), default=HloCost())


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
