"""One model at several lengths in one module: a shorter input runs at the least length that holds it.

What lies past an input's last token is masked: it changes no logit, and is not computed where a shorter length
is compiled. The lengths share their weights, which are packed alike for all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import tvm
from tvm import relax, tirx

SHORTEST = 8  # below it kernels cost what starting them costs
LENGTHS = "lengths"  # the function that returns the lengths of a module that has several


def bucket_lengths(seq_len: int) -> tuple[int, ...]:
    """Powers of two from `SHORTEST` up, and `seq_len` itself: padding is less than half of any bucket but the first."""
    lengths, length = [], SHORTEST
    while length < seq_len:
        lengths.append(length)
        length *= 2
    return (*lengths, seq_len)


def function_of(length: int) -> str:
    """The name of the function that runs a module of several lengths at one of them."""
    return f"main_{length}"


def merge_lengths(modules: Mapping[int, tvm.IRModule]) -> tvm.IRModule:
    """Lowered modules of one model, by length, as one: `function_of` each length, the longest `main` too, and `LENGTHS`.

    Equal constants become one.
    """
    merger = _Merger(tvm.IRModule())
    for length, module in modules.items():
        merger.add(module, length, is_longest=length == max(modules))
    merger.add_lengths(sorted(modules))
    return merger.builder_.get()


@relax.expr_functor.mutator
class _Merger(relax.PyExprMutator):
    def __init__(self, module: tvm.IRModule):
        super().__init__(module)
        self._constants: dict[tuple, relax.Constant] = {}
        self._renamed: dict[tvm.ir.GlobalVar, tvm.ir.GlobalVar] = {}

    def add(self, module: tvm.IRModule, length: int, is_longest: bool) -> None:
        """Adds a module's kernels under names of their own, and its `main`."""
        self._renamed = {
            variable: self.builder_.add_func(function.without_attr("global_symbol"), f"{variable.name_hint}_{length}")
            for variable, function in module.functions_items()
            if isinstance(function, tirx.PrimFunc)
        }
        for name in [function_of(length), *(["main"] if is_longest else [])]:
            main = relax.utils.copy_with_new_vars(module["main"]).with_attr("global_symbol", name)
            self.builder_.add_func(self.visit_expr(main), name)

    def add_lengths(self, lengths: Sequence[int]) -> None:
        """Adds the function that says which lengths there are."""
        body = relax.const(np.array(lengths, np.int32))
        self.builder_.add_func(relax.Function([], body, body.ty, True).with_attr("global_symbol", LENGTHS), LENGTHS)

    def visit_global_var_(self, variable: tvm.ir.GlobalVar) -> tvm.ir.GlobalVar:
        return self._renamed.get(variable, variable)

    def visit_constant_(self, constant: relax.Constant) -> relax.Constant:
        array = constant.value.numpy()
        key = (array.shape, str(array.dtype), hashlib.sha256(array.tobytes()).digest())
        return self._constants.setdefault(key, constant)


def least_length(lengths: Sequence[int], attention_mask: np.ndarray) -> int:
    """The least of ascending lengths that holds the last token of a mask [1, L]; the longest for a mask of none.

    Without any token attention is spread over what is there, and so depends on the length.
    """
    tokens = np.flatnonzero(attention_mask)
    if not len(tokens):
        return lengths[-1]
    return next(length for length in lengths if length > tokens[-1])
