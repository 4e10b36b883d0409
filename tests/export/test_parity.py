import dataclasses
import math

import numpy as np
import pytest

from bertnas_jax.export import TfliteModel, export_tflite, logit_error, max_abs_error, pad_example
from bertnas_jax.export.parity import logits_of


def test_an_exported_file_is_close(model, encoded, tmp_path):
    export_tflite(model, 16, tmp_path / "model.tflite")
    assert max_abs_error(model, TfliteModel(tmp_path / "model.tflite").run, encoded, 16) < 1e-4


def test_a_wrong_logit_shows(model, encoded, tmp_path):
    export_tflite(model, 16, tmp_path / "model.tflite")
    run = TfliteModel(tmp_path / "model.tflite").run

    def off(*inputs):
        # Only the longest example is wrong.
        return run(*inputs) - np.float32(0.5 if inputs[1].sum() == 16 else 0.0)

    assert max_abs_error(model, off, encoded, 16) == pytest.approx(0.5, abs=1e-3)
    assert math.isnan(max_abs_error(model, lambda *inputs: run(*inputs) * np.float32("nan"), encoded, 16))


def test_both_errors_are_of_all_logits(model, encoded):
    """Two of the nine logits are off, by 3 and 4: the root mean square is 5 / 3."""
    wrong = {2: (3.0, 0.0, 0.0), 16: (0.0, 0.0, -4.0)}

    def run(*inputs):
        return np.asarray(logits_of(model, *inputs)) + np.float32(wrong.get(int(inputs[1].sum()), (0.0, 0.0, 0.0)))

    error = logit_error(model, run, encoded, 16)
    assert (error.max_abs, error.rms) == (pytest.approx(4.0, abs=1e-3), pytest.approx(5 / 3, abs=1e-3))


def test_padding(encoded):
    ids, mask, types = pad_example(dataclasses.replace(encoded, pad_id=9), 1, 10)
    assert ids[0, 7:].tolist() == [9, 9, 9]
    assert mask.tolist() == [[1] * 7 + [0] * 3]
    assert types.shape == (1, 10)
    assert {array.dtype for array in (ids, mask, types)} == {np.dtype("int32")}


def test_mistakes_are_named(model, encoded):
    with pytest.raises(ValueError, match="at most seq_len=10 tokens, got 16"):
        pad_example(encoded, 2, 10)
    none = dataclasses.replace(encoded, input_ids=(), token_type_ids=())
    with pytest.raises(ValueError, match="at least one example"):
        max_abs_error(model, lambda *inputs: inputs[0], none, 16)


def test_logits_of_another_shape_are_refused(model, encoded):
    def run(*inputs):
        return np.asarray(logits_of(model, *inputs))[:, None]

    with pytest.raises(ValueError, match=r"must have the model's shape, \(3, 3\) over all examples, got \(3, 1, 3\)"):
        max_abs_error(model, run, encoded, 16)
