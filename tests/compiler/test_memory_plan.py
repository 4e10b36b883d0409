import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.compiler import list_kernels, lower, trace_model
from bertnas_jax.compiler.memory_plan import ALIGNMENT, MemoryPlan, aligned, lifetimes, peak_bytes, plan_memory, share_buffers
from bertnas_jax.compiler.program import Argument, Launch, Place, Program, TensorType, program_of


@st.composite
def programs(draw):
    """Launches that each write one value and read up to three earlier ones."""
    sizes = draw(st.lists(st.sampled_from([1, 30, 100, 500]), min_size=1, max_size=12))
    launches = []
    for index in range(len(sizes)):
        earlier = draw(st.lists(st.integers(0, index - 1), max_size=3)) if index else []
        reads = tuple(Argument(Place.INTERMEDIATE, value) for value in earlier)
        alike = [(read, 0) for read, value in enumerate(earlier) if sizes[value] == sizes[index]]
        in_place = tuple(draw(st.lists(st.sampled_from(alike), unique=True))) if alike else ()
        launches.append(Launch(f"k{index}", reads, (Argument(Place.INTERMEDIATE, index),), in_place))
    kinds = tuple(TensorType((size,), "float32") for size in sizes)
    return Program((), (), (), kinds, tuple(launches), Argument(Place.INTERMEDIATE, len(sizes) - 1))


@settings(max_examples=300, deadline=None)
@given(programs())
def test_values_that_are_needed_at_once_never_share_bytes(program):
    """But what a launch reads for the last time and what it writes over it, element by element."""
    plan, alive = plan_memory(program), lifetimes(program)
    ends = [offset + kind.num_bytes for offset, kind in zip(plan.offsets, program.intermediates, strict=True)]
    for one, other in itertools.combinations(range(len(ends)), 2):
        shared = [time for time in range(len(ends) + 1) if alive[one][0] <= time <= alive[one][1] and alive[other][0] <= time <= alive[other][1]]
        if shared and not (ends[one] <= plan.offsets[other] or ends[other] <= plan.offsets[one]):
            (time,) = shared
            reads = [argument.index for argument in program.launches[time].reads]
            assert time in plan.in_place and plan.offsets[one] == plan.offsets[other] and reads.count(one) == 1
            assert other == program.launches[time].writes[0].index and (reads.index(one), 0) == plan.in_place[time] in program.launches[time].in_place
    assert all(offset % ALIGNMENT == 0 for offset in plan.offsets)
    assert max(ends) <= plan.arena_bytes


@settings(max_examples=300, deadline=None)
@given(programs())
def test_writing_in_place_never_takes_more(program):
    apart = dataclasses.replace(program, launches=tuple(dataclasses.replace(launch, in_place=()) for launch in program.launches))
    with_pairs, without = plan_memory(program), plan_memory(apart)
    assert with_pairs.arena_bytes <= without.arena_bytes and not without.in_place
    assert bool(with_pairs.in_place) == (with_pairs.arena_bytes < without.arena_bytes)


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
    plan, total = plan_memory(program), sum(aligned(kind.num_bytes) for kind in program.intermediates)
    assert plan.arena_bytes <= total
    assert peak_bytes(program) <= plan.arena_bytes or plan.in_place


def test_a_chain_of_launches_may_write_over_one_array():
    """Three launches of two live values each, of which one may always take the other's place: one value's bytes are enough."""
    values = [Argument(Place.INTERMEDIATE, index) for index in range(4)]
    launches = [Launch("k0", (), (values[0],)), *(Launch(f"k{at}", (values[at - 1],), (values[at],), ((0, 0),)) for at in (1, 2, 3))]
    plan = plan_memory(Program((), (), (), (TensorType((64,), "float32"),) * 4, tuple(launches), values[-1]))
    assert plan == MemoryPlan((0, 0, 0, 0), 256, {1: (0, 0), 2: (0, 0), 3: (0, 0)})
    apart = dataclasses.replace(launches[2], in_place=())
    plan = plan_memory(Program((), (), (), (TensorType((64,), "float32"),) * 4, (*launches[:2], apart, launches[3]), values[-1]))
    assert plan.arena_bytes == 512 and not plan.in_place, "where two are needed at once at any launch, nothing is gained at others"


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "heads", "ffn"), [(768, 12, 3072), (384, 12, 1536), (256, 4, 1024)])
def test_the_last_product_of_a_block_writes_over_its_residual(hidden, heads, ffn, make_bert, target):
    """At its peak a block needs residual, neurons and result; in place two of them, as attention (residual, q, k, v, context) or less."""
    rows = 16
    program = program_of(lower(trace_model(make_bert(depth=2, hidden=hidden, heads=heads, ffn=ffn), rows), target))
    plan = plan_memory(program)
    assert peak_bytes(program) == 4 * rows * (2 * hidden + ffn)
    assert plan.arena_bytes == 4 * rows * max(hidden + ffn, 5 * hidden)
    assert {program.launches[time].kernel for time in plan.in_place} == {"fused_packed_gemm_add2"} and len(plan.in_place) == 2


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
