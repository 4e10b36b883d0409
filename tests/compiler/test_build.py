import types

import jax.numpy as jnp
import numpy as np
import pytest

from bertnas_jax.compiler import UnknownPrimitiveError, compile_lengths, compile_model, host_target, load_compiled, num_threads, set_num_threads, trace_model
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
    return np.asarray(model(*map(jnp.asarray, inputs)))


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


class _OfAnUnknownOperator:
    """Whatever has a Subnet, with an operator that no pass knows."""

    config = types.SimpleNamespace(subnet=Subnet.uniform(1, 32, 2, 48))

    def __call__(self, input_ids, attention_mask, token_type_ids):
        return jnp.cumsum(input_ids.astype(jnp.float32), axis=1)


@pytest.mark.parametrize("compile_it", [lambda model: compile_model(model, 8, host_target()), lambda model: compile_lengths(model, [4, 8], host_target())])
def test_an_operator_that_is_not_known_is_named_with_the_subnet(compile_it):
    with pytest.raises(UnknownPrimitiveError, match="D32-H16-N2-F48: a primitive must be one the compiler knows, got cumsum"):
        compile_it(_OfAnUnknownOperator())
