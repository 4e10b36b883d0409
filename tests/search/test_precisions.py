"""Which dtype counts as the best, and by how much it is faster."""

import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.compiler.precision import Precision as CompilersPrecision
from bertnas_jax.latency import Timing
from bertnas_jax.search.config import PRECISIONS
from bertnas_jax.search.evaluated import Precision
from bertnas_jax.search.precisions import BASELINE_INT8, best_dtypes
from bertnas_jax.search.side_by_side import BASELINE, Variant

REFERENCE_MS = (100.0, 200.0, 100.0)  # the machine is half as fast in the second round


def timing(share):
    return Timing(tuple(share * value for value in REFERENCE_MS), REFERENCE_MS)


def precisions(float32, accurate, fast):
    scores = {"float32": float32, "int8_accurate": accurate, "int8_fast": fast}
    ours = [Precision("tvm", dtype, value, 0.0, 0.0) for dtype, value in scores.items()]
    return [*ours, Precision("tflite", "int8", 1.0, 0.0, 0.0)]  # TensorFlow Lite's is shown, and never ours


def timings(float32, accurate, fast, bert_int8):
    told = precisions(0.9, 0.9, 0.9)
    shares = dict(zip(told, (float32, accurate, fast, 0.001), strict=True))
    return {Variant("winner", one.runtime, one.dtype): timing(share) for one, share in shares.items()} | {BASELINE: timing(1.0), BASELINE_INT8: timing(bert_int8)}


def test_those_of_this_machine_are_the_compilers():
    assert set(PRECISIONS) < set(typing.get_args(CompilersPrecision))


@pytest.mark.parametrize(
    ("scores", "best", "speedup"),
    [
        ((0.9, 0.9, 0.9), "int8_fast", 50.0),
        ((0.9, 0.896, 0.894), "int8_accurate", 25.0),
        ((0.9, 0.89, 0.89), "float32", 12.5),
        ((0.9, 0.7, 0.895), "int8_fast", 50.0),
    ],
)
def test_the_fastest_within_the_tolerance_is_the_best(scores, best, speedup):
    found = best_dtypes(precisions(*scores), timings(0.08, 0.04, 0.02, 0.5), tolerance=0.00501)
    assert found["best_dtype"] == {"winner": best, "bert_base": "int8", "tolerance": 0.00501}
    assert found["speedup_best_dtype"] == pytest.approx(speedup) and found["speedup_both_best_dtype"] == pytest.approx(speedup / 2)


def test_the_other_side_is_at_its_best_whatever_that_is():
    found = best_dtypes(precisions(0.9, 0.9, 0.9), timings(0.08, 0.04, 0.02, 1.5), tolerance=0.0)
    assert found["best_dtype"]["bert_base"] == "float32" and found["speedup_both_best_dtype"] == found["speedup_best_dtype"]


shares = st.floats(0.001, 10.0)


@given(shares, shares, shares, shares, st.tuples(*[st.floats(0.0, 1.0)] * 3), st.floats(0.0, 1.0))
def test_a_better_opponent_never_makes_us_faster_nor_does_a_tolerance_slower(float32, accurate, fast, bert_int8, scores, tolerance):
    measured = timings(float32, accurate, fast, bert_int8)
    strict, lax = (best_dtypes(precisions(*scores), measured, limit) for limit in (0.0, tolerance))
    assert lax["speedup_both_best_dtype"] <= lax["speedup_best_dtype"] * (1 + 1e-9)
    assert lax["speedup_best_dtype"] >= strict["speedup_best_dtype"] * (1 - 1e-9) >= (1 - 2e-9) / float32
    assert np.isfinite(lax["speedup_both_best_dtype"])
