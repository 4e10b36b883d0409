"""How each latency of the front is known, and where it and the score lie."""

import dataclasses

import pytest

from bertnas_jax.report.front_rows import examples_scored, front_rows, intervals_told
from bertnas_jax.report.intervals import ratio_interval, share_interval
from bertnas_jax.report.page import page
from bertnas_jax.report.read_run import read_run
from tests.report.run_folders import GPU_LIMIT, LIMIT, OTHER, PHONE_FINALISTS, PHONE_LIMIT, SLOW, WINNER, for_phones, write_run


def known(run):
    return {row.point.subnet: row for row in front_rows(run)}


def test_what_was_measured_lies_where_its_runs_and_processes_were_and_the_others_where_that_puts_them(run):
    rows = known(run)
    assert (rows[WINNER].latency.source, rows[WINNER].latency.measured_ms, rows[WINNER].latency.interval_ms) == ("measured", 8.0, (8.0, 8.5))
    assert rows[OTHER].latency.interval_ms == (5.0, 5.5)
    low, high = ratio_interval([8.0 / 7.9, 5.0 / 4.0])
    assert rows[SLOW].latency.source == "priced by measured kernels" and rows[SLOW].latency.measured_ms is None
    assert rows[SLOW].latency.interval_ms == pytest.approx((7.0 * low, 7.0 * high))
    assert "by what 2 finalists took of their prices" in intervals_told(run)


def test_processes_of_their_own_count(run):
    chosen = dataclasses.replace(run.finalists[0], fresh_ms=(7.5, 9.5))
    assert known(dataclasses.replace(run, finalists=(chosen, *run.finalists[1:])))[WINNER].latency.interval_ms == (7.5, 9.5)


def test_one_finalist_tells_nothing_of_others(run):
    alone = dataclasses.replace(run, finalists=run.finalists[:1])
    assert known(alone)[SLOW].latency.interval_ms is None and known(alone)[WINNER].latency.interval_ms == (8.0, 8.5)
    assert "of others none, as 1 finalist that was measured shows no spread" in intervals_told(alone)


def test_simulated_ones_have_the_simulators_interval_whatever_was_measured_elsewhere(tmp_path):
    """The first limit's: half its median to twice."""
    gpu = GPU_LIMIT | {"high_ms": 6.0}
    changes = for_phones(gpu, PHONE_LIMIT, LIMIT)
    finalists = [one | {"measured_ms": 8.0, "p90_ms": 8.5} for one in PHONE_FINALISTS]
    run = read_run(write_run(tmp_path / "run", finalists=finalists, **changes))
    for row in front_rows(run):
        assert (row.latency.source, row.latency.measured_ms) == ("simulated", None)
        assert row.latency.interval_ms == pytest.approx((0.5 * row.point.latency_ms, 2.0 * row.point.latency_ms))
    assert "the simulator's interval of 90 % of cases" in intervals_told(run)


def test_an_accuracy_is_of_the_examples_it_was_scored_on(run):
    assert examples_scored(run) == 512  # of 900
    assert known(run)[WINNER].accuracy == share_interval(0.8, 512)
    few = dataclasses.replace(run, summary=dataclasses.replace(run.summary, task=dataclasses.replace(run.summary.task, dev_examples=100)))
    assert known(few)[WINNER].accuracy == share_interval(0.8, 100)


def test_an_estimate_has_no_interval(run):
    stopped = dataclasses.replace(run.evaluated[0], stopped_after=128)
    assert known(dataclasses.replace(run, evaluated=(stopped, *run.evaluated[1:])))[SLOW].accuracy is None


def test_a_score_that_is_no_share_has_none_and_the_page_says_why(tmp_path):
    told = {"metric": "f1"}
    run = read_run(write_run(tmp_path / "run", task=told, teacher=told, winner=told))
    assert {row.accuracy for row in front_rows(run)} == {None}
    assert "upwards, none, for F1 is no share of examples and the predictions behind it are not kept" in page(run)
