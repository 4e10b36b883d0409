"""What the compiler does to a Subnet, told: operators before and after, who made each kernel, bytes and FLOPs saved."""

from __future__ import annotations

import pathlib
from collections import Counter
from collections.abc import Callable

import tvm

from bertnas_jax.compiler.config import CompilerConfig, traced_subnet
from bertnas_jax.compiler.dataflow import Dataflow, operator_of
from bertnas_jax.compiler.fusion_plan import RELATIONS, FusionPlanner, Group
from bertnas_jax.compiler.pipeline import OPTIONAL, REWRITES, apply, lower, rewrite_passes
from bertnas_jax.compiler.targets import named_target


def explain(config: CompilerConfig) -> str:
    """The report; draws the picture if one is asked for."""
    without = [name for name in config.without.split(",") if name]
    subnet, traced = traced_subnet(config)
    target = named_target(config.target)
    with target:
        single = FusionPlanner(apply(rewrite_passes(OPTIONAL), traced), RELATIONS)
        planner = FusionPlanner(apply(rewrite_passes(without, config.precision), traced), [name for name in without if name in RELATIONS])
    before, after = single.groups(), planner.groups()
    if config.picture:
        from bertnas_jax.compiler.draw_graph import draw_graphs

        draw_graphs({"before": (single, before), "after": (planner, after)}, pathlib.Path(config.picture).expanduser())
    sections = [f"{subnet.describe()}, {config.seq_len} tokens, {config.precision}, without {', '.join(without) or 'nothing'}"]
    sections += [_operators(before), _rewrites(traced, without), _kernels(planner, after), _saved(before, after)]
    if config.mca:
        from bertnas_jax.compiler.inner_loops import describe_inner_loops

        sections.append(describe_inner_loops(lower(traced, target, without, config.precision), target))
    return "\n\n".join(sections)


def _operators(groups: list[Group]) -> str:
    counts = Counter(group.region.root.name for group in groups)
    return f"before: {len(groups)} operators: " + ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _rewrites(traced: tvm.IRModule, without: list[str]) -> str:
    """How many operators of each kind every algebraic rewrite adds or removes."""
    lines, module = ["rewrites:"], apply(rewrite_passes(OPTIONAL)[:3], traced)
    for rewrite in REWRITES:
        if rewrite.__name__ in without:
            lines.append(f"  {rewrite.__name__}: left out")
            continue
        counted = _count(module)
        module = tvm.relax.transform.DeadCodeElimination()(rewrite(module))
        change = {name: _count(module)[name] - counted[name] for name in sorted(counted | _count(module))}
        told = ", ".join(f"{number:+d} {name}" for name, number in change.items() if number)
        lines.append(f"  {rewrite.__name__}: {told or 'operators reordered or weights changed, none added or removed'}")
    return "\n".join(lines)


def _count(module: tvm.IRModule) -> Counter[str]:
    return Counter(operator_of(binding.value).removeprefix("relax.") for binding in Dataflow(module["main"]).bindings)


def _kernels(planner: FusionPlanner, groups: list[Group]) -> str:
    """Every kernel with the relations it is fused over, its loops, and what it keeps in them."""
    lines = [f"after: {len(groups)} kernels:"]
    for number, group in enumerate(groups):
        names = " ".join(operator.name for operator in group.region.operators)
        alone = sum(planner.group([member]).version.moved_bytes for member in group.members)
        lines.append(f"  {number}: {names}")
        lines.append(f"     fused over {_relations(planner, group) or 'nothing'}; {alone - group.version.moved_bytes:,} bytes saved")
        kept = [
            f"{operator.name} inside {placement.depth} loops"
            for operator, placement in zip(group.region.operators[:-1], group.version.placements, strict=False)
            if not placement.is_inline
        ]
        loops = " ".join(f"{loop.name}<{loop.extent}" for loop in group.version.loops)
        lines.append(f"     loops {loops or 'none'}; {'kept: ' + ', '.join(kept) if kept else 'nothing kept'}")
    return "\n".join(lines)


def _relations(planner: FusionPlanner, group: Group) -> str:
    inner = set(group.members)
    edges = [(source, member) for member in group.members for source in dict.fromkeys(planner.dataflow.operands(member)) if source in inner]
    counts = Counter(planner.relation_of(source, member) for source, member in edges)
    return ", ".join(f"{counts[relation]} {relation}" for relation in RELATIONS if counts[relation])


def _saved(before: list[Group], after: list[Group]) -> str:
    def total(measure: Callable[[Group], int]) -> str:
        old, new = (sum(map(measure, groups)) for groups in (before, after))
        return f"{old:,} -> {new:,} ({1 - new / old:.1%} saved)"

    moved = total(lambda group: group.version.moved_bytes)
    flops = total(lambda group: sum(operator.operations for operator in group.region.operators))
    return f"bytes moved: {moved}\nFLOPs: {flops}\nkernels: {len(before)} -> {len(after)}"
