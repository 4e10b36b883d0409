import types

import jax.numpy as jnp
import numpy as np
import pytest
from tvm import relax, te

from bertnas_jax.compiler import (
    UnknownKernelError,
    UnknownPrimitiveError,
    compile_lengths,
    compile_model,
    describe_kernels,
    host_target,
    load_compiled,
    lower,
    num_threads,
    set_num_threads,
    trace_model,
)
from bertnas_jax.compiler.opencl import lower_opencl
from bertnas_jax.compiler.subnet_name import SUBNET
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_OPENCL, named_target
from bertnas_jax.export.c_library import write_c_library
from bertnas_jax.export.opencl_files import write_opencl
from bertnas_jax.export.parity import logits_of
from bertnas_jax.space import Subnet

# float32 sums of a few hundred terms in another order, through LayerNorm: errors stay near 1e-6.
TOLERANCE = {"rtol": 0, "atol": 1e-4}
SIZES = {
    "even": {"seq_len": 16},
    "odd length": {"seq_len": 13},
    "one token": {"seq_len": 1},
    "length of no divisor": {"seq_len": 31},
    "cls pooling": {"seq_len": 8, "pooling": "cls"},
    "regression": {"seq_len": 8, "num_outputs": 1},
    "many classes": {"seq_len": 8, "num_outputs": 17},
    "one head": {"seq_len": 8, "heads": 1},
    "heads narrower than hidden": {"seq_len": 8, "heads": 3, "head_dim": 8},
    "odd sizes": {"seq_len": 12, "hidden": 39, "heads": 3, "ffn": 50},
    "padded heads of several blocks": {"seq_len": 16, "hidden": 104, "heads": 2, "head_dim": 52},
    "one layer": {"seq_len": 8, "depth": 1},
}


@pytest.fixture(autouse=True)
def one_thread_afterwards():
    yield
    set_num_threads(1)


def expected_logits(model, inputs):
    return np.asarray(logits_of(model, *inputs))


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_a_compiled_bert_computes_what_jax_does(name, make_bert, make_inputs, target):
    sizes = dict(SIZES[name])
    seq_len = sizes.pop("seq_len")
    model, inputs = make_bert(**sizes), make_inputs(seq_len)
    logits = compile_model(model, seq_len, target).run(*inputs)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected_logits(model, inputs), **TOLERANCE)


def test_threads_do_not_change_results(make_bert, make_inputs, target):
    compiled, inputs = compile_model(make_bert(), 16, target), make_inputs(16)
    set_num_threads(1)
    alone = compiled.run(*inputs)
    set_num_threads(2)
    assert num_threads() == 2
    np.testing.assert_array_equal(compiled.run(*inputs), alone)


def test_a_saved_model_gives_the_same_logits(make_bert, make_inputs, target, tmp_path):
    compiled, inputs = compile_model(make_bert(), 16, target), make_inputs(16)
    compiled.save(tmp_path / "model.so")
    assert [path.name for path in tmp_path.iterdir()] == ["model.so"]
    np.testing.assert_array_equal(load_compiled(tmp_path / "model.so").run(*inputs), compiled.run(*inputs))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.so"):
        load_compiled(tmp_path / "nowhere.so")


@pytest.mark.parametrize("count", [0, 10_000])
def test_threads_beyond_the_cores_are_refused(count):
    with pytest.raises(ValueError, match=f"got {count}"):
        set_num_threads(count)


def test_a_length_of_zero_is_refused(make_bert):
    with pytest.raises(ValueError, match="seq_len must be at least 1"):
        trace_model(make_bert(), 0)


OPERATORS = {
    "no translation": (lambda ids: jnp.cumsum(ids, axis=1), UnknownPrimitiveError, "a primitive must be one the compiler knows, got cumsum"),
    "no translation of this form": (lambda ids: jnp.take(np.eye(4), ids.astype(int), axis=0), NotImplementedError, "gather must be table"),
    "no polynomial": (lambda ids: jnp.exp(ids.astype(jnp.float16)), RuntimeError, "exp must be of float32, got float16"),
}
COMPILERS = {
    "one length": lambda model, folder: compile_model(model, 8, host_target()),
    "lengths": lambda model, folder: compile_lengths(model, [4, 8], host_target()),
    "a C library": lambda model, folder: write_c_library(model, [8], host_target(), folder / "c"),
    "OpenCL": lambda model, folder: write_opencl(model, [8], named_target(ANDROID_OPENCL), folder / "opencl"),
    "nests": lambda model, folder: describe_kernels(trace_model(model, 8), named_target(ANDROID_ARM64)),
}


class _Of:
    """Whatever has a Subnet, with an operator on its ids."""

    def __init__(self, operator):
        self.config = types.SimpleNamespace(subnet=Subnet.uniform(1, 32, 2, 48), num_outputs=8)
        self._operator = operator

    def __call__(self, input_ids, attention_mask, token_type_ids):
        return self._operator(input_ids.astype(jnp.float32))


@pytest.mark.parametrize("compile_it", COMPILERS.values(), ids=COMPILERS)
@pytest.mark.parametrize(("operator", "kind", "message"), OPERATORS.values(), ids=OPERATORS)
def test_an_operator_that_is_not_known_is_named_with_the_subnet(operator, kind, message, compile_it, tmp_path):
    with pytest.raises(kind, match=f"^D32-H16-N2-F48: {message}"):
        compile_it(_Of(operator), tmp_path)


def test_a_kernel_that_no_schedule_knows_is_named_with_the_subnet():
    def sums_of_sums(x):
        row, other = (te.reduce_axis((0, 4)) for _ in range(2))
        columns = te.compute((4,), lambda j: te.sum(x[row, j], axis=row), name="columns")
        return te.compute((4,), lambda i: te.sum(columns[other] * x[other, i], axis=other), name="rows")

    builder, x = relax.BlockBuilder(), relax.Var("x", relax.TensorType((4, 4), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(builder.call_te(sums_of_sums, x))
        builder.emit_func_output(result)
    for compile_it in (lower, lower_opencl):
        with pytest.raises(UnknownKernelError, match="^D32-H16-N2-F48: a kernel must be one of .*, got blocks columns, rows; add a schedule"):
            compile_it(builder.get().with_attr(SUBNET, "D32-H16-N2-F48"), host_target())


def test_a_function_of_no_subnet_is_named_by_its_operator_alone():
    with pytest.raises(UnknownPrimitiveError, match="^a primitive must be one the compiler knows, got cumsum"):
        trace_model(lambda ids, mask, types: jnp.cumsum(ids, axis=1), 8)


def test_a_single_number_is_computed(run_compiled):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_allclose(run_compiled(lambda x: jnp.sin(x).sum() + 1, x), np.sin(x).sum() + 1, rtol=1e-5)
