"""Which lines of weights a product asks for ahead of time: all of the next panel's, each once while a panel is computed with."""

import collections
import itertools

import numpy as np
import pytest
import tvm
from tvm import tirx
from tvm.s_tir import SBlockRealize
from tvm.sym.analyzer import Analyzer

from bertnas_jax.compiler import lower
from bertnas_jax.compiler.targets import named_target
from tests.compiler.conftest import trace

ZEN5 = tvm.target.Target({"kind": "llvm", "mcpu": "znver5", "mtriple": "x86_64-linux-gnu"})


def kernel_of(target, precision):
    weights = np.ones((64, 144), np.float32)
    lowered = lower(trace(lambda x: x @ weights, np.ones((16, 64), np.float32)), target, precision=precision)
    return next(function for _, function in lowered.functions_items() if "gemm" in str(getattr(function, "attrs", {}).get("bertnas.kind", "")))


def prefetched(statement, loops=()):
    """The weights' indices of every prefetch, with the loops around it."""
    if isinstance(statement, tirx.For):
        yield from prefetched(statement.body, (*loops, statement))
    elif isinstance(statement, SBlockRealize):
        yield from prefetched(statement.block.body, loops)
    elif isinstance(statement, tirx.SeqStmt):
        for child in statement.seq:
            yield from prefetched(child, loops)
    elif isinstance(statement, tirx.Evaluate):
        address = next(argument for argument in statement.value.args if hasattr(argument, "args"))
        yield address.args[0].indices, loops


def lines_by_panel(kernel):
    """(panel, row, column) of every prefetch of a run, by the panel that is computed with meanwhile."""
    found = collections.defaultdict(list)
    for indices, loops in prefetched(kernel.body):
        for values in itertools.product(*(range(int(loop.extent)) for loop in loops)):
            analyzer = Analyzer()
            for loop, value in zip(loops, values, strict=True):
                analyzer.bind(loop.loop_var, tirx.const(value, loop.loop_var.ty.dtype))
            found[values[0]].append(tuple(int(analyzer.simplify(index)) for index in indices))
    return found


@pytest.mark.parametrize(("precision", "width"), [("float32", 4), ("int8_accurate", 2), ("int8_fast", 1)])
def test_while_a_panel_is_computed_with_every_line_of_the_next_is_asked_for_once(precision, width):
    found = lines_by_panel(kernel_of(ZEN5, precision))
    panels, panel_bytes = 3, 64 * 48 * width
    assert sorted(found) == list(range(panels))
    for panel, lines in found.items():
        assert {line[0] for line in lines} == {min(panel + 1, panels - 1)}
        assert len(set(lines)) == len(lines) == panel_bytes // 64


def test_weights_that_are_passed_once_a_digit_are_not():
    assert not list(prefetched(kernel_of(named_target("android-arm64"), "int8_accurate").body))
