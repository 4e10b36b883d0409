import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.compiler import list_kernels, lower, trace_model
from bertnas_jax.compiler.memory_plan import ALIGNMENT, aligned, lifetimes, peak_bytes, plan_memory, share_buffers
from bertnas_jax.compiler.program import Argument, Launch, Place, Program, TensorType, program_of


@st.composite
def programs(draw):
    """Launches that each write one value and read up to three earlier ones."""
    sizes = draw(st.lists(st.integers(1, 500), min_size=1, max_size=12))
    launches = []
    for index in range(len(sizes)):
        earlier = draw(st.lists(st.integers(0, index - 1), max_size=3)) if index else []
        reads = tuple(Argument(Place.INTERMEDIATE, value) for value in earlier)
        launches.append(Launch(f"k{index}", reads, (Argument(Place.INTERMEDIATE, index),)))
    kinds = tuple(TensorType((size,), "float32") for size in sizes)
    return Program((), (), (), kinds, tuple(launches), Argument(Place.INTERMEDIATE, len(sizes) - 1))


@settings(max_examples=200, deadline=None)
@given(programs())
def test_values_that_are_needed_at_once_never_share_bytes(program):
    plan, alive = plan_memory(program), lifetimes(program)
    ends = [offset + kind.num_bytes for offset, kind in zip(plan.offsets, program.intermediates, strict=True)]
    for one, other in itertools.combinations(range(len(ends)), 2):
        if any(alive[one][0] <= time <= alive[one][1] and alive[other][0] <= time <= alive[other][1] for time in range(len(ends) + 1)):
            assert ends[one] <= plan.offsets[other] or ends[other] <= plan.offsets[one]
    assert all(offset % ALIGNMENT == 0 for offset in plan.offsets)
    assert max(ends) <= plan.arena_bytes


@settings(max_examples=200, deadline=None)
@given(programs())
def test_a_buffer_holds_one_value_at_a_time(program):
    (buffers, sizes), alive = share_buffers(program), lifetimes(program)
    for one, other in itertools.combinations(range(len(buffers)), 2):
        if buffers[one] == buffers[other]:
            assert alive[one][1] < alive[other][0] or alive[other][1] < alive[one][0]
    assert all(kind.num_bytes <= sizes[buffer] for kind, buffer in zip(program.intermediates, buffers, strict=True))
    assert sum(sizes) <= sum(kind.num_bytes for kind in program.intermediates)


@settings(max_examples=200, deadline=None)
@given(programs())
def test_the_arena_lies_between_the_peak_and_the_sum(program):
    total = sum(aligned(kind.num_bytes) for kind in program.intermediates)
    assert peak_bytes(program) <= plan_memory(program).arena_bytes <= total


@pytest.fixture(scope="module")
def lowered(make_bert, target):
    return lower(trace_model(make_bert(depth=3), 16), target)


@pytest.mark.parametrize("sizes", [{}, {"hidden": 64, "ffn": 256}, {"hidden": 39, "heads": 3, "ffn": 50}])
def test_a_bert_needs_little_more_than_its_peak(sizes, make_bert, target):
    program = program_of(lower(trace_model(make_bert(**sizes), 16), target))
    assert plan_memory(program).arena_bytes <= 1.1 * peak_bytes(program)


def test_the_launches_are_the_listed_kernels(lowered):
    assert [launch.kernel for launch in program_of(lowered).launches] == [kernel.name for kernel in list_kernels(lowered)]


def test_equal_weights_are_kept_once(lowered):
    keys = [(array.dtype, array.shape, array.tobytes()) for array in program_of(lowered).weights]
    assert len(set(keys)) == len(keys)


def test_every_value_is_written_before_it_is_read(lowered):
    program, written = program_of(lowered), set()
    for launch in program.launches:
        assert {value.index for value in launch.reads if value.place is Place.INTERMEDIATE} <= written
        written |= {value.index for value in launch.writes}
    assert program.result.index in written and len(written) == len(program.intermediates)
    assert [kind.shape for kind in program.inputs] == [(1, 16)] * 3
    assert all(np.isfinite(array).all() for array in program.weights)
