"""Budgets without a latency: what they check, count and search; the whole job is in test_sizes_run."""

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.search import rounds
from bertnas_jax.search.budget import Budget, Cost
from bertnas_jax.search.config import BudgetConfig
from bertnas_jax.search.cost_table import CostTable
from bertnas_jax.search.evaluated import Finalist
from bertnas_jax.search.job import Form, open_job
from bertnas_jax.search.latency_limit import limits_of, places_of
from bertnas_jax.search.rounds import read_rounds, rounds_stage
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.survey import survey
from bertnas_jax.space import Vocabulary, count_flops, count_parameters
from bertnas_jax.train import Stopwatch
from tests.search.test_rounds import Scorer, accuracy_of, job_in
from tests.search.test_study import SPACE

VOCABULARY, TOKENS = Vocabulary(100), 16
COSTS = {
    "parameters": CostTable.of_sums(SPACE, lambda subnet: count_parameters(subnet, VOCABULARY)),
    "FLOPs": CostTable.of_sums(SPACE, lambda subnet: count_flops(subnet, VOCABULARY, TOKENS)),
}


def budget(**most):
    return Budget(SPACE, (), tuple(Cost(name, name, value, COSTS[name]) for name, value in most.items()))


def shared(name, share):
    """The cost that this share of the Subnets does not exceed."""
    costs = sorted(COSTS[name].of(subnet) for subnet in SPACE.enumerate())
    return costs[min(int(share * len(costs)), len(costs) - 1)]


@pytest.mark.parametrize("knob", ["max_params", "max_flops", "max_file_mb", "max_memory_mb"])
def test_any_one_size_is_a_budget(tiny_config, knob):
    job = open_job(dataclasses.replace(tiny_config, budget=BudgetConfig(seq_len=16, threads=1, **{knob: 17_000_000 if knob == "max_params" else 1e9})))
    assert job.limits == () and job.here.is_host and job.places == (job.here,) and (job.threads, job.precision) == (1, "float32")
    assert job.forms == (Form("tvm", "float32"),)


def test_the_winner_of_sizes_alone_runs_here_in_the_precision_asked_for():
    config = BudgetConfig(seq_len=16, threads=2, precision="int8_fast", max_params=10)
    assert limits_of(config) == ()
    (place,) = places_of(config, ())
    assert (place.device, place.threads, place.dtype, place.seq_len) == ("host", 2, "int8_fast", 16)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_what_meets_the_sizes_is_counted_or_the_nearest_is_named(first, second):
    both = budget(parameters=shared("parameters", first), FLOPs=shared("FLOPs", second))
    limits = both.limits()
    meeting = [subnet for subnet in SPACE.enumerate() if all(COSTS[one.name].of(subnet) <= one.most for one in both.sizes)]
    assert (both.front.name, limits.unit) == ("parameters", "parameters")
    assert list(limits.listed()) == meeting and survey(both, 10**6, 0).share * SPACE.count == pytest.approx(len(meeting), abs=1e-6)


def test_the_smallest_is_named_where_one_size_is_too_small_and_the_nearest_where_two_contradict():
    with pytest.raises(InfeasibleBudget, match="got 10.00 parameters and [0-9,.]+ parameters for the smallest, D32-H16-N2-F64; allow more"):
        survey(budget(parameters=10.0), 1000, 0)
    contrary = Cost("less saved", "points", 1e6 - shared("parameters", 0.9), CostTable(SPACE, 1e6 - COSTS["parameters"].outside, -COSTS["parameters"].blocks))
    few = dataclasses.replace(budget(parameters=shared("parameters", 0.1)), sizes=(*budget(parameters=shared("parameters", 0.1)).sizes, contrary))
    with pytest.raises(InfeasibleBudget, match=r"got [0-9,.]+ parameters, [0-9,.]+ points \(less saved\) and [0-9,.]+ parameters, .* for the nearest of the"):
        few.limits().any_left((), random.Random(0))


@pytest.mark.slow
def test_the_most_accurate_within_the_sizes_is_found_and_none_is_measured(tmp_path, monkeypatch):
    limits = budget(parameters=shared("parameters", 0.5))

    def run_heat(job, weights, scorer, heat, asked, factor):
        assert asked.host is None and factor == 1.0
        return [Finalist(one.subnet, scorer.on_dev(one.subnet), one.latency_ms * asked.front_factor(factor), None, None, (), True) for one in heat]

    monkeypatch.setattr(rounds, "run_heat", run_heat)
    job = job_in(tmp_path, fresh_processes=3, evaluations=SPACE.count)
    found = rounds_stage(job, None, Scorer, limits, Stopwatch(job.folder))
    assert accuracy_of(found) == max(accuracy_of(subnet) for subnet in limits.limits().listed()) and len(read_rounds(job)) == 1
