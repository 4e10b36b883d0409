"""Reshapes that split or merge the last axis, as index maps that schedules can see through.

TVM's own reshape flattens and unflattens the whole index, which hides from region analysis that
a row stays a row. Used by LegalizeOps through `VIEWS`. Precondition: static shapes; a reshape that neither splits nor
merges the last axis alone is lowered as TVM does.
"""

from __future__ import annotations

from tvm import relax, te, topi

from bertnas_jax.compiler.emitter import shape_of


def _split_last(x: te.Tensor, width: int) -> te.Tensor:
    """[..., N * H] as [..., N, H]."""
    shape = (*x.shape[:-1], x.shape[-1] // width, width)
    return te.compute(shape, lambda *index: x(*index[:-2], index[-2] * width + index[-1]), name="split_heads")


def _merge_last(x: te.Tensor) -> te.Tensor:
    """[..., N, H] as [..., N * H]."""
    width = x.shape[-1]
    shape = (*x.shape[:-2], x.shape[-2] * width)
    return te.compute(shape, lambda *index: x(*index[:-1], index[-1] // width, index[-1] % width), name="merge_heads")


def _legalize_reshape(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    before, after = shape_of(call.args[0]), shape_of(call)
    if len(after) > 1 and before == (*after[:-2], after[-2] * after[-1]):
        return builder.call_te(_split_last, call.args[0], after[-1], primfunc_name_hint="split_heads")
    if len(before) > 1 and after == (*before[:-2], before[-2] * before[-1]):
        return builder.call_te(_merge_last, call.args[0], primfunc_name_hint="merge_heads")
    return builder.call_te(topi.reshape, call.args[0], after, primfunc_name_hint="reshape")


VIEWS = {"relax.reshape": _legalize_reshape}
