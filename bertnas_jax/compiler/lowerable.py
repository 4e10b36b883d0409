"""What the schedules can make of a region, in terms of its access relations.

`may_grow` refuses what no further operator would mend; `is_lowerable` judges a finished region.
"""

from __future__ import annotations

import functools
import math

import islpy as isl

from bertnas_jax.compiler.access import Operator
from bertnas_jax.compiler.access_map import identity
from bertnas_jax.compiler.region import KEPT_REGIONS, Region


@functools.lru_cache(KEPT_REGIONS)
def may_grow(region: Region) -> bool:
    """True unless the region holds what no schedule lowers, whatever is added to it."""
    weights = region.members(is_weight_product)
    products = region.members(lambda operator: operator.is_product)
    reductions = region.members(lambda operator: operator.reduces and not operator.is_product)
    if weights:
        return len(products) == 1 and not reductions and _only_epilogues(region, weights[0])
    if products:
        rows = {region.operators[product].shape[:-1] for product in products}
        return len(products) <= 2 and all(_is_along_rows_of(region.operators[member], rows) for member in reductions)
    if any(is_along_rows(region.operators[member]) for member in reductions):
        rows = _row_space(region)
        return all(is_along_rows(region.operators[m]) for m in reductions) and all(_is_rowwise(op, rows) for op in region.operators)
    return len(reductions) <= 1


@functools.lru_cache(KEPT_REGIONS)
def is_lowerable(region: Region) -> bool:
    """True if there is a schedule for the region as it is."""
    products = region.members(lambda operator: operator.is_product)
    if len(products) == 2:
        return _is_chain_of_products(region, *products)
    if len(products) == 1 and len(region.operators) > 1:
        return not region.members(lambda operator: operator.reduces and not operator.is_product) and _only_epilogues(region, products[0])
    return may_grow(region)


def is_weight_product(operator: Operator) -> bool:
    """True for a product whose weights a pass laid out in panels: its micro-kernel owns the whole loop nest."""
    return operator.is_product and operator.statements[0].name in ("packed_gemm", "packed_gemm_integer", "packed_gemm_half")


def is_along_rows(operator: Operator) -> bool:
    """True if each result is a reduction of one row of the argument, the last axis: [..., 1] of [..., D]."""
    (read, *others) = operator.reads
    if others or not operator.reduces or not operator.shape or operator.shape[-1] != 1:
        return False
    rank = len(operator.shape)
    if read.dim(isl.dim_type.out) != rank:
        return False
    rows = read.project_out(isl.dim_type.in_, rank - 1, 1).project_out(isl.dim_type.out, rank - 1, 1)
    return rows.is_equal(identity(operator.shape[:-1])) and _reduces_last_axis(operator)


def _is_along_rows_of(operator: Operator, rows: set[tuple[int, ...]]) -> bool:
    return is_along_rows(operator) and operator.shape[:-1] in rows


def _reduces_last_axis(operator: Operator) -> bool:
    """True if the reduced iteration is the last index that is read."""
    (statement,) = operator.statements
    ((_, read),) = statement.reads
    last = len(statement.extents) - 1
    if statement.reduced.count(True) != 1 or not statement.reduced[last]:
        return False
    equal = isl.Map.from_domain_and_range(read.domain(), read.range())
    equal = equal.equate(isl.dim_type.in_, last, isl.dim_type.out, read.dim(isl.dim_type.out) - 1)
    return read.is_subset(equal)


def _only_epilogues(region: Region, product: int) -> bool:
    """True if every other member computes, element by element, from what the product's tile has just made."""
    on_tile = {product}
    for member, operator in enumerate(region.operators):
        if member == product:
            continue
        sources = [argument for argument, operand in enumerate(region.operands[member]) if operand in on_tile]
        is_in_place = all(operator.reads[argument].is_equal(identity(operator.shape)) for argument in sources)
        if not sources or not is_in_place or operator.shape != region.operators[product].shape or operator.reduces:
            return False
        on_tile.add(member)
    return True


def _row_space(region: Region) -> tuple[int, ...]:
    """The rows (all axes but the last) that the region's row reductions run over, and their widest length."""
    shapes = [operator.shape for operator in region.operators]
    return max(shapes, key=lambda shape: (len(shape), math.prod(shape)))


def _is_rowwise(operator: Operator, rows: tuple[int, ...]) -> bool:
    """True if the operator's elements of a row are computed from that row's elements, or looked up."""
    return operator.shape[:-1] == rows[:-1] and operator.shape[-1] in (1, rows[-1]) and (operator.is_contiguous or operator.reduces)


def _is_chain_of_products(region: Region, first: int, second: int) -> bool:
    """True for scores and context: all reductions come from the first product's rows, right operands from views.

    The result is [B, L, N * H] and written head by head (schedule_attention).
    """
    after_first = region.descendants(first)
    if not after_first.issuperset(region.members(lambda operator: operator.reduces)):
        return False
    rights = [region.operands[product][1] for product in (first, second)]
    if not all(right >= 0 and region.operators[right].is_view for right in rights):
        return False
    context = region.operators[second].shape
    shape = region.root.shape
    is_merged = len(context) == 4 and shape == (context[0], context[2], context[1] * context[3])
    return is_merged and region.operators[first].shape[:-1] == context[:-1] and region.root.is_view
