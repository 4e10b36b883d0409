"""What kernels draw past caches: by hand, and against a cache that is run access by access."""

import dataclasses
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tvm import tirx
from tvm.ir.expr import TensorLoad
from tvm.s_tir import SBlockRealize

from bertnas_jax.compiler import describe_kernels
from bertnas_jax.compiler.footprints import drawn_bytes
from bertnas_jax.compiler.loop_nest import expressions
from bertnas_jax.compiler.pipeline import fuse
from bertnas_jax.compiler.schedule_kernels import schedule_kernels
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from tests.compiler.conftest import trace

TARGET = named_target(ANDROID_ARM64)


def ones(*shape):
    return np.ones(shape, np.float32)


def scheduled_kernels(function, *arrays):
    with TARGET:
        module = schedule_kernels(fuse(trace(function, *arrays), TARGET))
    return [function for function in module.functions.values() if isinstance(function, tirx.PrimFunc)]


@dataclasses.dataclass
class Accesses:
    """Every access of a kernel in the order it is made: when (loops and places in a row by turns), of which buffer, which element."""

    when: list
    what: list

    def visit(self, node, loops, place):
        if isinstance(node, tirx.For):
            self.visit(node.body, [*loops, (node, place)], 0)
        elif isinstance(node, tirx.SeqStmt):
            for number, child in enumerate(node.seq):
                self.visit(child, loops, place + (number,) if isinstance(place, tuple) else (number,))
        elif isinstance(node, SBlockRealize) and not node.block.iter_vars:
            self.visit(node.block.body, loops, place)
        elif isinstance(node, SBlockRealize):
            self._store(node, loops, place)
        else:
            assert isinstance(node, tirx.Evaluate), node

    def _store(self, realize, loops, place):
        extents = [int(loop.extent) for loop, _ in loops]
        grid = np.indices(extents).reshape(len(extents), -1) if extents else np.zeros((0, 1), int)
        values = {loop.loop_var: grid[i] for i, (loop, _) in enumerate(loops)}
        values |= {axis.var: evaluated(value, values) for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True)}
        places = [at for _, at in loops] + [place]
        body, turns = realize.block.body, grid.shape[1]
        loads = [node for node in expressions(body.value) if isinstance(node, TensorLoad)]
        for number, (buffer, indices) in enumerate([*((load.source, load.indices) for load in loads), (body.buffer, body.indices)]):
            shape = [int(size) for size in buffer.ty.shape]
            flat = np.ravel_multi_index([np.broadcast_to(evaluated(index, values), turns) for index in indices], shape)
            for turn in range(turns):
                interleaved = [part for i, at in enumerate(places) for part in (at if isinstance(at, tuple) else (at,), (grid[i, turn],) if i < len(loops) else (number,))]
                self.when.append(tuple(map(tuple, interleaved)))
                self.what.append((buffer, int(flat[turn])))


def evaluated(index, values):
    """An index over all iterations at once."""
    if isinstance(index, tirx.IntImm):
        return np.int64(int(index))
    if isinstance(index, tirx.Var):
        return values[index]
    if isinstance(index, tirx.Cast):
        return evaluated(index.value, values)
    rules = {tirx.Add: np.add, tirx.Sub: np.subtract, tirx.Mul: np.multiply, tirx.FloorDiv: np.floor_divide, tirx.FloorMod: np.mod}
    return rules[type(index)](evaluated(index.a, values), evaluated(index.b, values))


def misses_of_a_cache(accesses, arguments, elements):
    """Elements that a cache of so many, which replaces the one used longest ago, has to fetch: all but the first write of what lives in the kernel alone."""
    held, known, misses = OrderedDict(), set(), 0
    for key in accesses:
        if key in held:
            held.move_to_end(key)
            continue
        misses += key in known or key[0] in arguments
        known.add(key)
        held[key] = None
        if len(held) > elements:
            held.popitem(last=False)
    return misses


def normalised(x):
    centred = x - jnp.sum(x, axis=-1, keepdims=True) * np.float32(1 / x.shape[-1])
    return centred * jax.lax.rsqrt(jnp.sum(centred * centred, axis=-1, keepdims=True))


CASES = {
    "one product": (lambda x: x @ ones(96, 32), ones(16, 96)),
    "bias and erf": (lambda x: jax.lax.erf(x @ ones(80, 40) + ones(1, 40)), ones(16, 80)),
    "normalised rows": (lambda x: normalised(x), ones(20, 128)),
    "softmax": (lambda x: jax.nn.softmax(x, axis=-1), ones(24, 96)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_what_is_drawn_lies_between_what_caches_of_half_and_twice_the_size_fetch(case):
    """Whole iterations either stay or do not, where a cache keeps parts of them, and what one loop leaves to the next in a row: hence the fifth."""
    function, array = CASES[case]
    for kernel in scheduled_kernels(function, array):
        found = Accesses([], [])
        found.visit(kernel.body, [], 0)
        accesses = [found.what[i] for i in sorted(range(len(found.when)), key=found.when.__getitem__)]
        steps = drawn_bytes(kernel)
        for size, drawn in steps:
            most, least = (4 * misses_of_a_cache(accesses, set(kernel.params), size * factor // 4) for factor in (0.5, 2))
            assert least <= drawn <= 1.2 * most, (size, steps)


def test_a_product_by_hand():
    """32 rows of 96 by panels of 16 columns: 6 KiB of weights a panel, 12 KiB of input."""
    (kernel,) = scheduled_kernels(lambda x: x @ ones(96, 64), ones(32, 96))
    left, right, result = 4 * 32 * 96, 4 * 96 * 64, 4 * 32 * 64
    tile, panel = 4 * 4 * 96, 4 * 96 * 16
    # A cache that holds a panel and a tile of rows with its sums and result draws the input once a panel; one that holds a panel, the input
    # and a panel of the result, once.
    _, *steps = drawn_bytes(kernel)
    assert steps == [(tile + panel + 2 * 4 * 4 * 16, 4 * left + right + result), (left + panel + 4 * (4 + 32) * 16, left + right + result)]


def test_what_lives_in_a_kernel_is_drawn_only_past_a_cache_that_does_not_hold_it():
    (kernel,) = [one for one in scheduled_kernels(*CASES["softmax"]) if len(one.params) == 2]
    assert drawn_bytes(kernel) == ((4096, 2 * 4 * 24 * 96),)  # some rows of 384 bytes at a time pass through the smallest
    (wide,) = scheduled_kernels(lambda x: jax.nn.softmax(x, axis=-1), ones(3, 6000))
    (_, drawn), *_, (largest, least) = drawn_bytes(wide)
    assert least == 2 * 4 * 3 * 6000 < drawn and largest > 4 * 6000  # a row of 24 KB is written and read again


def test_the_nests_of_a_model_draw_no_less_than_they_move(make_bert):
    from bertnas_jax.compiler import trace_model

    for nest in describe_kernels(trace_model(make_bert(depth=1), 16), TARGET):
        drawn = [bytes_ for _, bytes_ in nest.drawn]
        assert drawn == sorted(drawn, reverse=True)
        assert drawn[-1] == pytest.approx(nest.kernel.bytes, rel=0.02), nest.kernel.name
