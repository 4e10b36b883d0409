"""What is below an expression, and the bytes of kernels that read vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from tvm import tirx

from bertnas_jax.compiler import describe_kernels, list_kernels, lower, trace_model
from bertnas_jax.compiler.loop_nest import count_operations, expressions
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from tests.compiler.conftest import trace

AVX512 = tvm.target.Target({"kind": "llvm", "mcpu": "skylake-avx512", "mtriple": "x86_64-linux-gnu"})
X, Y = tirx.Var("x", "int32"), tirx.Var("y", "int32")
FOUR = tirx.Broadcast(X, 4)
TABLE = tirx.decl_buffer((8, 8), "float32", "table")

# Expressions of both X and Y, by what is between them and the top.
NODES = {
    "a binary operator": X + Y,
    "a comparison": X < Y,
    "a negation": tirx.Not(tirx.And(X < 1, Y < 1)),
    "bits": tirx.BitwiseNot(X & Y),
    "a conversion": tirx.Cast("float32", X * Y),
    "a choice": tirx.Select(X < 0, Y, Y),
    "a condition": tirx.if_then_else(X < 0, Y, Y),
    "a binding": tirx.Let(tirx.Var("z", "int32"), X, Y),
    "a call": tirx.pow(tirx.Cast("float32", X), tirx.Cast("float32", Y)),
    "a load": tirx.BufferLoad(TABLE, [X, Y]),
    "an address": tirx.address_of(tirx.BufferLoad(TABLE, [X, Y])),
    "a ramp": tirx.Ramp(X, Y, 4),
    "a repetition": tirx.Broadcast(X + Y, 4),
    "a shuffle": tirx.Shuffle([FOUR, tirx.Broadcast(Y, 4)], [0, 4, 1, 5]),
    "shuffles of a shuffle": tirx.Shuffle([tirx.Shuffle([FOUR, tirx.Ramp(Y, 1, 4)], [0, 4, 1, 5]), FOUR], [0, 4, 1, 5]),
    "a reduction": tirx.sum(X + Y, axis=tirx.IterVar(tvm.ir.Range(0, 4), tirx.Var("k", "int32"), tirx.IterVar.CommReduce)),
}


@pytest.mark.parametrize("node", NODES.values(), ids=NODES.keys())
def test_no_operand_of_a_node_is_passed_over(node):
    below = expressions(node)
    assert below[0].same_as(node)
    assert any(found.same_as(X) for found in below) and any(found.same_as(Y) for found in below)


def test_what_stands_there_twice_counts_twice():
    load = tirx.BufferLoad(TABLE, [X, Y])
    assert sum(found.same_as(load) for found in expressions(load * load + load)) == 3
    assert count_operations(load * load + load) == 2


def test_a_buffer_is_a_name_and_no_shape():
    assert [type(found) for found in expressions(tirx.BufferLoad(TABLE, [X, Y]))[1:]] == [tirx.Var] * 3


def test_an_attention_whose_keys_are_transposed_in_registers_reads_them():
    def attend(*operands):
        queries, keys, values = (operand.reshape(1, 16, 2, 16) for operand in operands)
        weights = jax.nn.softmax(jnp.einsum("blnh,bmnh->bnlm", queries, keys), axis=-1)
        return jnp.einsum("bnlm,bmnh->blnh", weights, values).reshape(1, 16, 32)

    lowered = lower(trace(attend, *[np.ones((1, 16, 32), np.float32)] * 3), AVX512)
    (attention,) = list_kernels(lowered)
    assert "Shuffle" in lowered[attention.name].script()
    assert attention.bytes == 4 * 4 * 16 * 32  # queries, keys, values and the result


@pytest.mark.slow
def test_an_attention_moves_as_many_bytes_whether_its_projections_are_merged_or_not(make_bert):
    module, target = trace_model(make_bert(depth=1, hidden=96, heads=3), 16), named_target(ANDROID_ARM64)
    merged, apart = (describe_kernels(module, target, without=without) for without in ((), ("merge_projections",)))
    ((one,), (other,)) = ([nest for nest in nests if len(nest.products) == 2] for nests in (merged, apart))
    assert one.activation_bytes == other.activation_bytes and one.kernel.bytes == other.kernel.bytes
