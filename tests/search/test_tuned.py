"""The tuning stage of a job whose limit is of this machine, and of one for a phone."""

import dataclasses

import pytest

from bertnas_jax.compiler import GemmShape, GemmTile, Tuning, host_target
from bertnas_jax.search import tuned
from bertnas_jax.search.config import BudgetConfig
from bertnas_jax.search.job import open_job
from bertnas_jax.search.tuned import tuning_stage

KNOWN = Tuning(str(host_target().attrs["mcpu"]), {GemmShape(16, 128, 128): GemmTile(16, 1)})


@pytest.fixture
def with_file(tiny_config, tmp_path):
    KNOWN.save(tmp_path / "known.json")
    return dataclasses.replace(tiny_config, tuning=str(tmp_path / "known.json"))


@pytest.mark.slow
def test_what_is_known_stays_and_what_is_not_is_measured_once(with_file):
    job = open_job(with_file)
    tuning = tuning_stage(job)
    assert tuning.tiles[GemmShape(16, 128, 128)] == GemmTile(16, 1)
    # Queries, keys and values of one and two heads of 64, and both widths of the feed-forward part.
    assert {GemmShape(16, 128, 192), GemmShape(16, 128, 384), GemmShape(16, 128, 256), GemmShape(16, 512, 128)} <= tuning.tiles.keys()
    written = job.path(Tuning.FILE).stat().st_mtime_ns
    assert tuning_stage(job) == tuning and job.path(Tuning.FILE).stat().st_mtime_ns == written


@pytest.mark.slow
def test_products_of_an_int8_budget_are_tuned_as_they_are_run(tiny_config, monkeypatch):
    asked = []
    monkeypatch.setattr(tuned, "tune", lambda shapes, target, threads: (asked.extend(shapes), (Tuning(KNOWN.cpu, {}), []))[1])
    tuning_stage(open_job(dataclasses.replace(tiny_config, budget=BudgetConfig(seq_len=16, limits=("host/1 thread/tvm/int8_fast: 20x",)))))
    assert {GemmShape(16, 512, 128), GemmShape(16, 512, 128, "int8_fast")} <= set(asked)


@pytest.mark.parametrize("changes", [{"tune": False}, {"budget": BudgetConfig(seq_len=16, limits=("pixel_4/1 large: 30",))}], ids=["asked", "phone"])
def test_nothing_is_measured_where_it_would_be_of_no_use(with_file, changes):
    assert tuning_stage(open_job(dataclasses.replace(with_file, **changes))) == KNOWN
