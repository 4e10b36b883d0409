"""The tool on a made-up table, and on a run that takes a minute."""

import dataclasses
import json

import jax
import pytest

from bertnas_jax.search.config import SamplerConfig
from tests.search.made_up_space import BUDGET_MS, ROWS, SPACE
from tests.search.conftest import task_folder  # noqa: F401 (a fixture)
from tests.tools.test_rank_fidelity import trained_run  # noqa: F401 (a fixture)
from tools import compare_samplers
from tools.compare_samplers import Table

TABLE = Table(SPACE, ROWS, {"task": "made up"})


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""
    with jax.numpy_rank_promotion("raise"):
        yield


def test_a_table_is_what_was_saved(tmp_path):
    TABLE.save(tmp_path / "table.json")
    assert Table.load(tmp_path / "table.json") == TABLE


def test_a_table_with_a_gap_is_refused():
    rows = {subnet: row for subnet, row in ROWS.items() if subnet != SPACE.largest}
    with pytest.raises(ValueError, match="must hold every subnet of its space, got none for 1 of 3108, e.g. D64-H16-N4.4.4.4"):
        Table(SPACE, rows, {})


def test_a_search_that_evaluates_all_has_the_whole_front():
    small = dataclasses.replace(SPACE, depths=(1, 2))
    compared = compare_samplers.compare(Table(small, {subnet: ROWS[subnet] for subnet in small.enumerate()}, {}), ["random"], 10_000, 1, 0.5)
    assert compared["samplers"]["random"] == {
        "hypervolume_share_median": pytest.approx(1.0),
        "hypervolume_shares": [pytest.approx(1.0)],
        "accuracy_behind_best_median": 0.0,
        "evaluated_median": compared["under_budget"],
    }


def test_a_sampler_that_runs_dry_ends():
    found = compare_samplers.search(TABLE, SamplerConfig(sampler="uniform", evaluations=100), BUDGET_MS, 0)
    assert 0 < len(found) < 48 and all(row.latency_ms <= BUDGET_MS for row in found)


def test_it_writes_what_it_found(tmp_path, capsys):
    path = compare_samplers.run(TABLE, ["nsga2", "random"], 20, 2, 0.5, tmp_path)
    written = json.loads(path.read_text())
    assert written["task"] == "made up" and written["subnets"] == 3108
    assert all(0 < share < 1 for name in ("nsga2", "random") for share in written["samplers"][name]["hypervolume_shares"])
    assert "of the front's hypervolume" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_is_evaluated_whole_and_once(trained_run, monkeypatch):  # noqa: F811
    table = compare_samplers.table_of_run(trained_run.workdir, {"depths": (1,)}, 32, 16, 1)
    assert len(table.rows) == table.space.count == 4
    monkeypatch.setattr("bertnas_jax.train.SupernetScorer.on_part", None)  # nothing is evaluated again
    assert compare_samplers.table_of_run(trained_run.workdir, {"depths": (1,)}, 32, 16, 1) == table
    with pytest.raises(ValueError, match="settings must be those of the records"):
        compare_samplers.table_of_run(trained_run.workdir, {"depths": (2,)}, 32, 16, 1)
    with pytest.raises(ValueError, match="must be of the search space"):
        compare_samplers.table_of_run(trained_run.workdir, {"ffns": (128,)}, 32, 16, 1)
