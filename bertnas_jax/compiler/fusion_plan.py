"""Which operators become one kernel: regions grown by merging, the most profitable merge first.

A region has one exit, the only value of it that is used outside. Merging a producer's region into
that of all its consumers keeps this so, and no dependence can then lead out of a region and back
into it: every merge is legal. A producer of several regions is merged by computing it in each.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Collection, Sequence

import tvm
from tvm import relax

from bertnas_jax.compiler.access import Operator, read_operator
from bertnas_jax.compiler.dataflow import Dataflow, operator_of
from bertnas_jax.compiler.diamonds import diamonds
from bertnas_jax.compiler.loop_versions import Version, best_version, target_machine
from bertnas_jax.compiler.lowerable import is_lowerable, may_grow
from bertnas_jax.compiler.region import Region, arguments_by_variable, region_of

Members = tuple[relax.Var, ...]
RELATIONS = ("one-to-one", "broadcast", "reduction", "contraction")


@dataclasses.dataclass(frozen=True)
class Group:
    """Operators of one kernel, in program order, the last of which is its result."""

    members: tuple[relax.Var, ...]
    region: Region
    version: Version


class FusionPlanner:
    """Regions of one function's operators and their prices.

    `without` names classes of relations (`RELATIONS`) over which nothing is merged. Prices are those of the target around its making.
    """

    def __init__(self, module: tvm.IRModule, without: Collection[str] = ()):
        unknown = sorted(set(without) - set(RELATIONS))
        if unknown:
            raise ValueError(f"a relation must be one of {', '.join(RELATIONS)}, got {', '.join(unknown)}; name one of those")
        self.dataflow = Dataflow(module["main"])
        self.operators = _operators(module, self.dataflow)
        self._arguments = arguments_by_variable(self.dataflow)
        self.diamonds = diamonds(self.dataflow)
        self._without = frozenset(without)
        self._machine = target_machine()

    def groups(self) -> list[Group]:
        """Every operator in a group, in the order of their results."""
        merged = self._merge([(variable,) for variable in self.operators], frozenset())
        parts = {part[-1]: part for members in merged for part in self._taken_apart(members)}
        kept: list[Group] = []
        # What several regions computed again may be left over, with or without a use, when some of them are taken apart.
        needed = {self.dataflow.function.body.body}
        for result in sorted(parts, key=self.dataflow.position.__getitem__, reverse=True):
            if result in needed:
                kept.append(self.group(parts[result]))
                needed.update({operand for member in parts[result] for operand in self.dataflow.operands(member)} - set(parts[result]))
        return kept[::-1]

    def group(self, members: Sequence[relax.Var]) -> Group:
        region = self._region(members)
        return Group(tuple(members), region, best_version(region, self._machine))

    def relation_of(self, producer: relax.Var, consumer: relax.Var) -> str:
        """The class of the access relation from a consumer to a producer."""
        relations = zip(self._arguments[consumer], self.operators[consumer].relations, strict=True)
        return max((relation for argument, relation in relations if argument.value.same_as(producer)), key=RELATIONS.index)

    def _merge(self, start: Sequence[tuple[relax.Var, ...]], kept: frozenset[relax.Var]) -> list[tuple[relax.Var, ...]]:
        """Regions after every profitable merge; values in `kept` stay results of their own."""
        merging = _Merging(self, start, kept)
        return merging.run()

    def _taken_apart(self, members: tuple[relax.Var, ...]) -> list[tuple[relax.Var, ...]]:
        """The members as regions that schedules lower: undoing one merge if one is enough, else the last first."""
        if self.is_lowerable(members):
            return [members]
        start = [(variable,) for variable in members]
        inner = members[:-1]
        for variable in inner:
            parts = self._merge(start, frozenset({variable}))
            if all(map(self.is_lowerable, parts)):
                return parts
        kept: set[relax.Var] = set()
        for variable in inner:
            kept.add(variable)
            parts = self._merge(start, frozenset(kept))
            if all(map(self.is_lowerable, parts)):
                return parts
        return start

    def _region(self, members: Sequence[relax.Var]) -> Region:
        return region_of(self._arguments, self.operators, members)

    def price(self, members: Sequence[relax.Var]) -> float:
        return best_version(self._region(members), self._machine).price

    def may_grow(self, members: Sequence[relax.Var]) -> bool:
        return may_grow(self._region(members))

    def is_lowerable(self, members: Sequence[relax.Var]) -> bool:
        return is_lowerable(self._region(members))

    def may_cross(self, producer: relax.Var, consumers: Collection[relax.Var]) -> bool:
        return all(self.relation_of(producer, consumer) not in self._without for consumer in consumers)


class _Merging:
    """One run of greedy merging.

    A candidate is (-gain in bytes, position of its first result, regions that go, regions that come).
    """

    def __init__(self, planner: FusionPlanner, start: Sequence[Members], kept: frozenset[relax.Var]):
        self._planner, self._kept = planner, kept
        self._regions = dict(enumerate(start))
        self._owners: dict[relax.Var, set[int]] = {variable: {index} for index, members in self._regions.items() for variable in members}
        self._next = len(start)
        self._heap: list[tuple[float, int, tuple[int, ...], tuple[Members, ...]]] = []

    def run(self) -> list[Members]:
        """The regions after all merges that pay."""
        for index in list(self._regions):
            self._propose_with_users(index)
        for diamond in self._planner.diamonds:
            self._propose_diamond(diamond)
        while self._heap:
            _, _, gone, come = heapq.heappop(self._heap)
            if all(index in self._regions for index in gone):
                self._replace(gone, come)
        return list(self._regions.values())

    def _propose_with_users(self, producer: int) -> None:
        """The merge of a region into each that uses its result."""
        members = self._regions[producer]
        users = self._planner.dataflow.users(members[-1])
        if members[-1] in self._kept or not users or not all(user in self._owners for user in users):
            return
        consumers = tuple(sorted({owner for user in users for owner in self._owners[user]}))
        is_repeated = len(consumers) > 1
        if is_repeated and any(self._planner.operators[variable].reduces for variable in members):
            return  # a reduction is never worth computing again
        if self._planner.may_cross(members[-1], users):
            self._propose((producer, *consumers), [self._joined(producer, consumer) for consumer in consumers])

    def _propose_diamond(self, diamond: Members) -> None:
        """The merge of all regions of a diamond, if those have only one exit."""
        if not all(variable in self._owners for variable in diamond):
            return
        regions = tuple(sorted({owner for variable in diamond for owner in self._owners[variable]}))
        members = self._joined(*regions)
        inner = set(members[:-1])
        users = {variable: self._planner.dataflow.users(variable) for variable in inner}
        is_closed = all(user in inner or user is members[-1] or user.same_as(members[-1]) for found in users.values() for user in found)
        if len(regions) < 2 or not is_closed or inner & self._kept:
            return
        if all(self._planner.may_cross(variable, found) for variable, found in users.items()):
            self._propose(regions, [members])

    def _propose(self, gone: tuple[int, ...], come: list[Members]) -> None:
        planner = self._planner
        if all(map(planner.may_grow, come)):
            gain = sum(planner.price(self._regions[index]) for index in gone) - sum(map(planner.price, come))
            if gain > 0:
                heapq.heappush(self._heap, (-gain, planner.dataflow.position[self._regions[gone[0]][-1]], gone, tuple(come)))

    def _joined(self, *regions: int) -> Members:
        members = set().union(*(self._regions[index] for index in regions))
        return tuple(sorted(members, key=self._planner.dataflow.position.__getitem__))

    def _replace(self, gone: tuple[int, ...], come: tuple[Members, ...]) -> None:
        """Takes the merge, and proposes what it makes possible."""
        for index in gone:
            for variable in self._regions.pop(index):
                self._owners[variable].discard(index)
        made = range(self._next, self._next + len(come))
        self._next += len(come)
        for index, members in zip(made, come, strict=True):
            self._regions[index] = members
            for variable in members:
                self._owners[variable].add(index)
        neighbours = {neighbour for index in made for neighbour in self._producers_of(index)}
        for index in sorted({*made, *neighbours}):
            self._propose_with_users(index)
        changed = {variable for members in come for variable in members}
        for diamond in self._planner.diamonds:
            if not changed.isdisjoint(diamond):
                self._propose_diamond(diamond)

    def _producers_of(self, index: int) -> set[int]:
        """The regions whose result the region reads."""
        members = self._regions[index]
        read = {operand for variable in members for operand in self._planner.dataflow.operands(variable)} - set(members)
        return {owner for operand in read for owner in self._owners.get(operand, ()) if self._regions[owner][-1].same_as(operand)}


def _operators(module: tvm.IRModule, dataflow: Dataflow) -> dict[relax.Var, Operator]:
    """The operator of every binding that calls a PrimFunc; each PrimFunc is read once."""
    read: dict[str, Operator] = {}
    found = {}
    for variable, binding in zip(dataflow.variables, dataflow.bindings, strict=True):
        if operator_of(binding.value) != "relax.call_tir":
            raise ValueError(f"main must consist of calls of operators, got {binding.value}; legalise it before")
        name = binding.value.args[0].name_hint
        if name not in read:
            read[name] = read_operator(name, module[name])
        found[variable] = read[name]
    return found
