"""Pass: operators become kernels, by the access relations between them.

Precondition: after LegalizeOps; `main` is one dataflow block of calls of unscheduled PrimFuncs.
Which operators go together is planned in fusion_plan.py from nothing but their loop nests; no
operator, and no combination of operators, is known by name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import tvm
from tvm import relax

from bertnas_jax.compiler.blocks import HOISTED
from bertnas_jax.compiler.fusion_plan import FusionPlanner, Group
from bertnas_jax.compiler.outline import outline
from bertnas_jax.compiler.statements import blocks_in


def fuse_polyhedral(module: tvm.IRModule, without: Collection[str] = ()) -> tvm.IRModule:
    """The module with every group as one PrimFunc; nothing is merged over the relations in `without`."""
    groups = FusionPlanner(module, without).groups()
    outlined = outline(module, {group.members[-1]: (_name(group), group.members) for group in groups if len(group.members) > 1})
    fused = relax.transform.DeadCodeElimination()(relax.transform.FuseTIR()(outlined))
    return _with_versions(fused, groups)


def _name(group: Group) -> str:
    """The operators that compute, in order and each once: `fused_packed_gemm_add_erf`."""
    computing = [operator for operator in group.region.operators if not operator.is_view] or group.region.operators
    names = dict.fromkeys(operator.name.removeprefix("tir_") for operator in computing)
    return "_".join(["fused", *list(names)[:_NAMED]])


_NAMED = 6  # operators in a name: enough to tell kernels apart, few enough to print


def _with_versions(module: tvm.IRModule, groups: Sequence[Group]) -> tvm.IRModule:
    """The module with each kernel's loop version as attributes that its schedule reads."""
    changed = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for binding, group in zip(module["main"].body.blocks[0].bindings, groups, strict=True):
        kernel = binding.value.args[0]
        changed[kernel] = module[kernel].with_attr(HOISTED, _hoisted(group, module[kernel]))
    return changed


def _hoisted(group: Group, kernel: tvm.tirx.PrimFunc) -> dict[str, str]:
    """By name of a block that is computed once and kept, the loops over the result that it stays inside of."""
    names = [block.name_hint for block in blocks_in(kernel)]
    found, loops, position = {}, group.version.loops, -1
    for operator, placement in zip(group.region.operators[:-1], group.version.placements, strict=False):
        position += len(operator.statements)
        if not placement.is_inline and not operator.reduces:
            found[names[position]] = " ".join(loop.name for loop in loops[: placement.depth])
    return found
