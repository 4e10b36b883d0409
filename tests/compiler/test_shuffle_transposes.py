import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import s_tir, te, tirx
from tvm.script import ir as I
from tvm.script import tirx as T

from bertnas_jax.compiler import host_target
from bertnas_jax.compiler.shuffle_transposes import SQUARE, mark_squares, shuffle_transposes
from tests.compiler.conftest import assert_same_results, normal, scheduled

@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((T.int64(4), T.int64(4)), "float32"), y: T.Buffer((T.int64(4), T.int64(4)), "float32")):
        for i in T.serial(T.int64(4), annotations={"bertnas.transposed_square": 4}):
            for j in range(T.int64(4)):
                with T.sblock("part"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    y[vi, vj] = x[vj, vi]


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def kernel(x: T.Buffer((T.int64(4), T.int64(4)), "float32"), y: T.Buffer((T.int64(4), T.int64(4)), "float32")):
        for i, j in T.grid(T.int64(1), T.int64(1)):
            with T.sblock("part"):
                vi = T.axis.spatial(T.int64(4), T.min(i, T.int64(0)))
                vj = T.axis.spatial(T.int64(4), T.min(j, T.int64(0)))
                T.reads(x[vj : vj + T.int64(4), vi : vi + T.int64(4)])
                T.writes(y[vi : vi + T.int64(4), vj : vj + T.int64(4)])
                y[vi, vj : vj + T.int64(4)] = T.Shuffle(
                    [
                        T.Shuffle([x[vj, T.Ramp(vi, T.int64(1), 4)], x[vj + T.int64(2), T.Ramp(vi, T.int64(1), 4)]], [0, 4, 1, 5]),
                        T.Shuffle([x[vj + T.int64(1), T.Ramp(vi, T.int64(1), 4)], x[vj + T.int64(3), T.Ramp(vi, T.int64(1), 4)]], [0, 4, 1, 5]),
                    ],
                    [0, 4, 1, 5],
                )
                y[vi + T.int64(1), vj : vj + T.int64(4)] = T.Shuffle(
                    [
                        T.Shuffle([x[vj, T.Ramp(vi, T.int64(1), 4)], x[vj + T.int64(2), T.Ramp(vi, T.int64(1), 4)]], [0, 4, 1, 5]),
                        T.Shuffle([x[vj + T.int64(1), T.Ramp(vi, T.int64(1), 4)], x[vj + T.int64(3), T.Ramp(vi, T.int64(1), 4)]], [0, 4, 1, 5]),
                    ],
                    [2, 6, 3, 7],
                )
                y[vi + T.int64(2), vj : vj + T.int64(4)] = T.Shuffle(
                    [
                        T.Shuffle([x[vj, T.Ramp(vi, T.int64(1), 4)], x[vj + T.int64(2), T.Ramp(vi, T.int64(1), 4)]], [2, 6, 3, 7]),
                        T.Shuffle([x[vj + T.int64(1), T.Ramp(vi, T.int64(1), 4)], x[vj + T.int64(3), T.Ramp(vi, T.int64(1), 4)]], [2, 6, 3, 7]),
                    ],
                    [0, 4, 1, 5],
                )
                y[vi + T.int64(3), vj : vj + T.int64(4)] = T.Shuffle(
                    [
                        T.Shuffle([x[vj, T.Ramp(vi, T.int64(1), 4)], x[vj + T.int64(2), T.Ramp(vi, T.int64(1), 4)]], [2, 6, 3, 7]),
                        T.Shuffle([x[vj + T.int64(1), T.Ramp(vi, T.int64(1), 4)], x[vj + T.int64(3), T.Ramp(vi, T.int64(1), 4)]], [2, 6, 3, 7]),
                    ],
                    [2, 6, 3, 7],
                )


def test_a_marked_square_becomes_shuffles_of_whole_rows():
    tvm.ir.assert_structural_equal(shuffle_transposes(Before), Expected)


def test_a_square_without_a_mark_stays():
    schedule = s_tir.Schedule(Before["kernel"])
    schedule.unannotate(schedule.get_loops(schedule.get_sblock("part"))[0], SQUARE)
    tvm.ir.assert_structural_equal(shuffle_transposes(schedule.mod), schedule.mod)


@given(st.integers(1, 3), st.sampled_from([4, 5, 8, 13, 16, 20]), st.sampled_from([4, 6, 8, 16, 17]), st.integers(0, 5))
@settings(max_examples=5, deadline=None)
def test_random_attentions_compute_the_same(target, heads, length, head_dim, seed):
    def attend(*operands):
        queries, keys, values = (operand.reshape(1, length, heads, head_dim) for operand in operands)
        weights = jax.nn.softmax(jnp.einsum("blnh,bmnh->bnlm", queries, keys), axis=-1)
        return jnp.einsum("bnlm,bmnh->blnh", weights, values).reshape(1, length, heads * head_dim)

    arrays = [normal(seed + at, 1, length, heads * head_dim) for at in range(3)]
    before = scheduled(target, attend, *arrays)
    assert_same_results(target, before, shuffle_transposes(before), *arrays, rtol=1e-6, atol=1e-6)


AVX512 = tvm.target.Target({"kind": "llvm", "mcpu": "skylake-avx512"})


def transposed_part(rows, columns, target):
    """Columns 3 .. 3 + rows of a matrix [columns, rows + 5] as rows, scheduled in squares for the target."""
    matrix = te.placeholder((columns, rows + 5), name="matrix")
    part = te.compute((2, rows, columns), lambda twice, i, j: matrix[j, i + 3], name="part")
    schedule = s_tir.Schedule(te.create_prim_func([matrix, part], index_dtype_override="int64"))
    with target:
        mark_squares(schedule, schedule.get_sblock("part"))
    return shuffle_transposes(schedule.mod)


def vectors_of(module):
    """Lanes of what each store writes, and whether that was shuffled."""
    stores = []

    def visit(statement):
        if isinstance(statement, tirx.BufferStore):
            stores.append((str(statement.value.ty.dtype), isinstance(statement.value, tirx.Shuffle)))
        elif isinstance(statement, tirx.SeqStmt):
            for child in statement.seq:
                visit(child)
        else:
            visit(statement.block if isinstance(statement, s_tir.SBlockRealize) else statement.body)

    visit(module["main"].body)
    return stores


@pytest.mark.parametrize(("rows", "columns"), [(32, 128), (16, 16), (8, 24), (64, 12), (4, 4), (26, 128), (5, 128), (32, 7), (17, 31), (3, 128), (1, 1)])
def test_it_transposes(rows, columns):
    matrix = np.random.default_rng(0).standard_normal((columns, rows + 5), np.float32)
    target = host_target()
    run = tvm.compile(transposed_part(rows, columns, target), target)
    result = tvm.runtime.tensor(np.zeros((2, rows, columns), np.float32))
    run["main"](tvm.runtime.tensor(matrix), result)
    np.testing.assert_array_equal(result.numpy(), np.stack([matrix.T[3 : 3 + rows]] * 2))


@pytest.mark.parametrize(("rows", "columns", "side"), [(32, 128, 16), (26, 128, 16), (8, 24, 8), (64, 12, 8)])
def test_squares_of_the_largest_side_that_fits_are_moved_by_whole_rows(rows, columns, side):
    stores = vectors_of(transposed_part(rows, columns, AVX512))
    assert stores == [(f"float32x{side}", True)] * side


def test_what_holds_no_square_stays_as_it_was():
    (store,) = vectors_of(transposed_part(3, 128, AVX512))
    assert store == ("float32", False)


@pytest.mark.parametrize(
    "cell",
    [
        lambda matrix, i, j: tirx.Select(j < 3, matrix[j + 13, i], matrix[j - 3, i]),
        lambda matrix, i, j: matrix[(j + 1) % 16, i],
        lambda matrix, i, j: matrix[j, 2 * i],
        lambda matrix, i, j: matrix[j, i + j],
        lambda matrix, i, j: matrix[i, j],
    ],
    ids=["choice", "rolled", "every other", "skewed", "copy"],
)
def test_what_is_no_transposition_is_left_alone(cell):
    matrix = te.placeholder((16, 32), name="matrix")
    part = te.compute((16, 16), lambda i, j: cell(matrix, i, j), name="part")
    schedule = s_tir.Schedule(te.create_prim_func([matrix, part], index_dtype_override="int64"))
    with AVX512:
        mark_squares(schedule, schedule.get_sblock("part"))
    assert all(lanes == "float32" for lanes, _ in vectors_of(shuffle_transposes(schedule.mod)))


def test_marks_of_other_passes_stay():
    module = transposed_part(32, 128, AVX512)
    schedule = s_tir.Schedule(module)
    loop, *_ = schedule.get_loops(schedule.get_sblock("part"))
    schedule.annotate(loop, "another", 1)
    assert "another" in shuffle_transposes(schedule.mod)["main"].body.block.body.annotations
