"""Rounds on a machine made here, on which whole models take other times than their kernels foretell; the compiler is in test_run."""

import contextlib
import json
import math
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.latency import Timing
from bertnas_jax.search import finalists, rounds
from bertnas_jax.search.budget import Budget, Cost, PricedLimit
from bertnas_jax.search.config import BudgetConfig, SamplerConfig
from bertnas_jax.search.correction import corrected, correction, disagree
from bertnas_jax.search.cost_table import CostTable
from bertnas_jax.search.evaluated import Finalist
from bertnas_jax.search.fresh_process import Fresh
from bertnas_jax.search.latency_limit import LatencyLimit, host_place
from bertnas_jax.search.rounds import evaluations_of, read_rounds, round_at_work, rounds_stage
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.space import Subnet
from bertnas_jax.train import RunFolder, Stopwatch
from tests.search.test_study import SPACE, accuracy_of, latency_ms_of

BUDGET_MS, MARGIN = 14.0, 0.05


def budget(limit_ms=BUDGET_MS):
    cost = Cost("here", "ms", limit_ms * (1 - MARGIN), CostTable.of_sums(SPACE, latency_ms_of))
    return Budget(SPACE, (PricedLimit(LatencyLimit(host_place(1, 16, "float32"), limit_ms), limit_ms, 100.0, cost),), ())


class Scorer:
    """The made-up accuracy, which is a whole one at once."""

    counts_examples, num_parts = False, 1
    on_part = on_dev = staticmethod(accuracy_of)


def job_in(folder, fresh_processes=0, **knobs):
    config = SamplerConfig(**{"evaluations": 24, "population": 8, "priced": 1000, "finalists": 2} | knobs)
    return types.SimpleNamespace(
        folder=RunFolder(folder), path=lambda name: folder / name, threads=1, precision="float32",
        config=types.SimpleNamespace(sampler=config, budget=BudgetConfig(seq_len=16, fresh_processes=fresh_processes), seed=0),
    )  # fmt: skip


def machine(monkeypatch, slowness, stop_after=10**6, of_fastest=None):
    """Measures a Subnet as its price times a slowness, the fastest's its own if it has one; raises after as many groups; returns what was measured, group by group."""
    groups = []

    def run_heat(job, weights, scorer, heat, limits, factor):
        if len(groups) == stop_after:
            raise KeyboardInterrupt
        groups.append([one.subnet for one in heat])
        found = []
        for one in heat:
            measured_ms = latency_ms_of(one.subnet) * (of_fastest if of_fastest and one.subnet == SPACE.smallest else slowness)
            meets = measured_ms <= limits.host.limit.latency_ms * (1 - MARGIN)
            found.append(Finalist(one.subnet, scorer.on_dev(one.subnet), one.latency_ms * factor, measured_ms, measured_ms, (), meets))
        return found

    monkeypatch.setattr(rounds, "run_heat", run_heat)
    return groups


def search(folder, limits=None, **knobs):
    folder.mkdir(exist_ok=True)
    job = job_in(folder, **knobs)
    return rounds_stage(job, None, Scorer, limits or budget(), Stopwatch(job.folder)), job


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=9), st.floats(0.5, 2))
def test_a_factor_common_to_all_is_found(prices, factor):
    assert correction((price, factor * price) for price in prices) == pytest.approx(factor)


def test_a_tolerance_is_a_share_up_and_down():
    assert not disagree(1.049, 1.0, 0.05) and disagree(1.051, 1.0, 0.05) and not disagree(1 / 1.049, 1.0, 0.05) and disagree(1 / 1.051, 1.0, 0.05)


def test_a_corrected_budget_allows_what_then_meets_it():
    limits = corrected(budget(), 1.25).limits()
    for subnet in SPACE.enumerate():
        assert limits.allows(subnet) == (latency_ms_of(subnet) <= BUDGET_MS * (1 - MARGIN) / 1.25)


def test_prices_that_hold_need_one_round(tmp_path, monkeypatch):
    groups = machine(monkeypatch, 1.02)
    subnet, job = search(tmp_path)
    assert len(groups) == 1 and len(read_rounds(job)) == 1 and latency_ms_of(subnet) * 1.02 <= BUDGET_MS * (1 - MARGIN)
    assert round_at_work(job, budget())[1] == 24


@pytest.mark.parametrize("slowness", [1.3, 0.7])
def test_wrong_prices_are_corrected_and_the_search_goes_on(tmp_path, monkeypatch, slowness):
    machine(monkeypatch, slowness)
    subnet, job = search(tmp_path)
    first, second = read_rounds(job)
    assert (first.factor, second.factor) == (1.0, pytest.approx(slowness)) and (first.evaluations, second.evaluations) == (24, 30)
    assert (second.share < first.share) == (slowness > 1)
    assert latency_ms_of(subnet) * slowness <= BUDGET_MS * (1 - MARGIN)
    rows = json.loads((tmp_path / "search/evaluated.json").read_text())
    assert len(rows) == 30 and all(row["latency_ms"] == pytest.approx(slowness * latency_ms_of(Subnet.from_fields(row["subnet"]))) for row in rows)
    finalists = json.loads((tmp_path / "finalists.json").read_text())
    assert [one["chosen"] for one in finalists].count(True) == 1
    assert finalists[-1]["table_ms"] == pytest.approx(finalists[-1]["measured_ms"]), "what was foreseen is by the corrected prices"
    if slowness < 1:  # there is more to have, and it is had
        assert accuracy_of(subnet) > max(one["accuracy"] for one in finalists[:2])
    limits, evaluations = round_at_work(job, budget())
    assert limits.host.cost.most == pytest.approx(BUDGET_MS * (1 - MARGIN) / slowness) and evaluations == 30


def test_without_corrections_further_groups_are_measured(tmp_path, monkeypatch):
    groups = machine(monkeypatch, 1.25)
    subnet, job = search(tmp_path, corrections=0)
    assert len(read_rounds(job)) == 1 and 1 < len(groups) <= 4 and latency_ms_of(subnet) * 1.25 <= BUDGET_MS * (1 - MARGIN)
    assert len({one for group in groups for one in group}) == sum(map(len, groups)), "none is measured twice"


@pytest.mark.parametrize("stop_after", [1, 2])
def test_where_nothing_is_left_by_the_corrected_prices_the_fastest_is_measured(tmp_path, monkeypatch, stop_after):
    """4.75 ms allow three Subnets: the two more accurate of 4 ms take 8, and by twice their prices the smallest would take 6."""
    with monkeypatch.context() as patched:
        machine(patched, 2.0, stop_after, of_fastest=1.1)
        with contextlib.suppress(KeyboardInterrupt):
            search(tmp_path, budget(5.0))
    groups = machine(monkeypatch, 2.0, of_fastest=1.1)
    subnet, job = search(tmp_path, budget(5.0))
    assert subnet == SPACE.smallest and groups == ([[subnet]] if stop_after == 1 else [])
    first, second = read_rounds(job)
    assert [len(one.finalists) for one in (first, second)] == [2, 1] and (second.factor, second.share) == (pytest.approx(2.0), 0.0)
    machine(monkeypatch, 2.0)
    with pytest.raises(InfeasibleBudget, match="got 6.00 ms for the nearest of 3 finalists, D32-H16-N2-F64"):
        search(tmp_path / "slow", budget(5.0))


@pytest.mark.parametrize("stop_after", [0, 1])
def test_a_run_stopped_at_any_group_ends_as_if_it_had_not_been(tmp_path, monkeypatch, stop_after):
    machine(monkeypatch, 1.3)
    subnet, job = search(tmp_path / "whole", finalists=1)
    whole = read_rounds(job)
    with monkeypatch.context() as patched:
        machine(patched, 1.3, stop_after)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "again", finalists=1)
    groups = machine(monkeypatch, 1.3)
    again, job = search(tmp_path / "again", finalists=1)
    assert again == subnet and read_rounds(job) == whole
    assert len(groups) == sum(len(one.finalists) for one in whole) - stop_after, "nothing is measured again"
    # What is then lost is what the last stage writes: it is made again of what was measured, without a machine.
    (tmp_path / "again/finalists.json").unlink()
    machine(monkeypatch, 1.3, 0)
    assert search(tmp_path / "again", finalists=1)[0] == subnet


def slow_in_some_processes(monkeypatch, slow, stop_after=math.inf):
    """Processes of their own take 0.9 of the limit, and the last of each of these Subnets 1.01; returns what was timed in them."""
    timed = []

    def time_afresh(job, weights, subnet, processes):
        if len(timed) == stop_after:
            raise KeyboardInterrupt
        timed.append(subnet)
        shares = (0.9,) * (processes - 1) + (1.01 if subnet in slow else 0.9,)
        return [Fresh(Timing((share * BUDGET_MS,) * 3, (100.0,) * 3), process) for process, share in enumerate(shares)]

    monkeypatch.setattr(finalists, "time_afresh", time_afresh)
    return timed


def test_a_winner_meets_its_limit_in_every_process_or_the_next_best_is_taken(tmp_path, monkeypatch):
    machine(monkeypatch, 1.0)
    best, _ = search(tmp_path / "none")
    timed = slow_in_some_processes(monkeypatch, {best})
    next_best, job = search(tmp_path / "some", fresh_processes=3)
    assert timed == [best, next_best] and accuracy_of(next_best) <= accuracy_of(best)
    told = {Subnet.from_fields(one["subnet"]): one for one in json.loads((tmp_path / "some/finalists.json").read_text())}
    assert told[best]["fresh_ms"] == [0.9 * BUDGET_MS, 0.9 * BUDGET_MS, 1.01 * BUDGET_MS] and not told[best]["meets_budget"]
    assert told[next_best]["meets_budget"] and told[next_best]["chosen"]
    assert all(one["fresh_ms"] == [] for subnet, one in told.items() if subnet not in timed)
    assert len((tmp_path / "some/latency.jsonl").read_text().splitlines()) == 6


def test_what_was_timed_in_processes_of_its_own_is_not_timed_again(tmp_path, monkeypatch):
    machine(monkeypatch, 1.0)
    best, _ = search(tmp_path / "none")
    with monkeypatch.context() as patched:
        slow_in_some_processes(patched, {best}, stop_after=1)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "stopped", fresh_processes=3)
    timed = slow_in_some_processes(monkeypatch, {best})
    again, _ = search(tmp_path / "stopped", fresh_processes=3)
    assert timed == [again] and again != best
    assert again == search(tmp_path / "whole", fresh_processes=3)[0]
    assert (tmp_path / "stopped/finalists.json").read_text() == (tmp_path / "whole/finalists.json").read_text()
    assert len((tmp_path / "stopped/latency.jsonl").read_text().splitlines()) == 6


def test_where_no_finalist_holds_the_budget_is_not_met(tmp_path, monkeypatch):
    machine(monkeypatch, 1.0)
    timed = slow_in_some_processes(monkeypatch, set(SPACE.enumerate()))
    with pytest.raises(InfeasibleBudget, match="the nearest of 8 finalists"):
        search(tmp_path, fresh_processes=3)
    assert len(timed) == len(set(timed)) == 8


@pytest.mark.parametrize("stop_after", [2, 3])
def test_where_the_first_finalists_do_not_hold_further_ones_are_measured(tmp_path, monkeypatch, stop_after):
    groups = machine(monkeypatch, 1.0)
    slow_in_some_processes(monkeypatch, set())
    search(tmp_path / "quiet", fresh_processes=3)
    slow = set(groups[0])
    with monkeypatch.context() as patched:
        slow_in_some_processes(patched, slow, stop_after)
        with contextlib.suppress(KeyboardInterrupt):
            search(tmp_path / "slow", fresh_processes=3)
    timed = slow_in_some_processes(monkeypatch, slow)
    winner, job = search(tmp_path / "slow", fresh_processes=3)
    assert winner not in slow and timed == ([winner] if stop_after == 2 else [])
    (one,) = read_rounds(job)
    assert len(one.finalists) == 4 and winner in {finalist.subnet for finalist in one.finalists}


def test_after_all_have_failed_the_same_command_measures_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        machine(patched, 1.0)
        slow_in_some_processes(patched, set(SPACE.enumerate()))
        with pytest.raises(InfeasibleBudget, match="measure again on a quieter machine"):
            search(tmp_path, fresh_processes=3)
    groups, timed = machine(monkeypatch, 1.0), slow_in_some_processes(monkeypatch, set())
    winner, _ = search(tmp_path, fresh_processes=3)
    assert timed == [winner] and winner in groups[0] and len(groups) == 1


def test_a_machine_that_nothing_is_fast_enough_for_names_the_nearest(tmp_path, monkeypatch):
    machine(monkeypatch, 50.0)
    with pytest.raises(InfeasibleBudget, match="the budget must be met by a measured subnet, got 150.00 ms for the nearest of 3 finalists, D32-H16-N2-F64"):
        search(tmp_path)


def test_every_round_adds_a_quarter():
    assert [evaluations_of(SamplerConfig(evaluations=64), number) for number in range(3)] == [64, 80, 96]


def test_the_fastest_that_was_measured_last_is_among_what_the_report_draws(tmp_path, monkeypatch):
    """No sampler came upon it: all that were evaluated are near the budget by prices that are a fifth of what they take."""
    machine(monkeypatch, 5.0, of_fastest=1.1)
    subnet, job = search(tmp_path, evaluations=4, population=2)
    assert subnet == SPACE.smallest and len(read_rounds(job)) == 2
    (row,) = (row for row in json.loads((tmp_path / "search/evaluated.json").read_text()) if Subnet.from_fields(row["subnet"]) == subnet)
    assert row["accuracy"] == accuracy_of(subnet) and row["latency_ms"] == pytest.approx(5.0 * latency_ms_of(subnet))
    # Begun again from what was measured, it is there too.
    (tmp_path / "finalists.json").unlink()
    (tmp_path / "search/evaluated.json").unlink()
    assert search(tmp_path, evaluations=4, population=2)[0] == subnet
    assert subnet in {Subnet.from_fields(row["subnet"]) for row in json.loads((tmp_path / "search/evaluated.json").read_text())}
