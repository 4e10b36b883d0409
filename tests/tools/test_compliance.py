"""The tool on a run that takes a minute, interrupted once."""

import json
import math
import os
import pathlib

import jax
import pytest

from bertnas_jax.search.finalists import ROUNDS
from tests.search.conftest import task_folder  # noqa: F401 (a fixture)
from tests.tools.test_rank_fidelity import trained_run  # noqa: F401 (a fixture)
from tools import compliance
from tools.compliance import Settings, draw_budgets, summary_of


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""
    with jax.numpy_rank_promotion("raise"):
        yield


def test_budgets_are_uniform_in_their_logarithm():
    """Of 4,000, half lie under the geometric mean: 3 % are 3.8 standard errors."""
    budgets = draw_budgets(0.95, 100.0, 0.05, Settings(searches=4000))
    assert min(budgets) >= 1.0 and max(budgets) <= 100.0
    assert sum(budget < 10.0 for budget in budgets) / 4000 == pytest.approx(0.5, abs=0.03)
    assert budgets == draw_budgets(0.95, 100.0, 0.05, Settings(searches=4000))


def test_what_is_within_the_tolerance_meets_the_budget_and_what_was_not_found_does_not():
    rows = [{"subnet": "a", "share_of_budget": share, "factors": [1.0]} for share in (0.9, 1.0, 1.02, 1.04)]
    found = summary_of([*rows, {"subnet": None, "latency_ms": 1.0}])
    assert (found["searches"], found["winners"], found["met"], found["met_without_tolerance"]) == (5, 4, 3, 2)
    assert found["share_of_budget"]["p100"] == 1.04 and found["prices_corrected"] == 0


@pytest.mark.slow
def test_winners_are_measured_by_another_process_and_a_run_goes_on_where_it_stopped(tmp_path, trained_run, monkeypatch):  # noqa: F811
    settings = Settings(searches=2, evaluations=3, finalists=1, dev_subset=32, seq_len=16, fresh_processes=1, tune=False)
    real, measured = compliance.time_afresh, []

    def stop_at_the_second(job, *arguments, **named):
        if job.folder.path.name != "prices":  # the fastest Subnet's, before any search
            measured.append(job.folder.path.name)
            if len(measured) == 2:
                raise KeyboardInterrupt
        return real(job, *arguments, **named)

    monkeypatch.setattr(compliance, "time_afresh", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        compliance.run(trained_run.workdir, settings, tmp_path)
    result = json.loads(compliance.run(trained_run.workdir, settings, tmp_path).read_text())
    assert measured == ["search_0", "search_1", "search_1"]
    assert [row["search"] for row in result["rows"]] == ["0", "1"] and result["found"]["searches"] == 2
    for row in result["rows"]:
        if row["subnet"]:
            assert row["again"]["process"] != os.getpid() and row["again"]["runs"] == ROUNDS
            assert math.isclose(row["share_of_budget"], row["again"]["median_ms"] / row["latency_ms"])
            assert row["measured_ms"] <= row["latency_ms"] * (1 - result["margin"])
            assert len(row["fresh_ms"]) == result["fresh_processes"] and max(row["fresh_ms"]) <= row["latency_ms"]
    assert any(row["subnet"] for row in result["rows"])
    # A search that is taken out of what has ended is done again.
    records = pathlib.Path(trained_run.workdir) / "compliance/searches.jsonl"
    records.write_text(records.read_text().splitlines(keepends=True)[0])
    again = json.loads(compliance.run(trained_run.workdir, settings, tmp_path).read_text())
    assert [row["search"] for row in again["rows"]] == ["0", "1"] and again["rows"][0] == result["rows"][0]
    with pytest.raises(ValueError, match="settings must be those of the records"):
        compliance.run(trained_run.workdir, Settings(searches=3), tmp_path)
