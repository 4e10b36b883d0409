import csv
import os

import pytest

import bertnas_jax.report.write as write
from bertnas_jax.report import write_report
from bertnas_jax.report.front_rows import front_rows
from bertnas_jax.report.read_run import read_run
from tests.report.run_folders import OTHER, SLOW, WINNER, write_run

WRITTEN = {"report.html", "pareto.png", "pareto.csv"}


def test_three_files_are_written_and_the_table_returned(tmp_path):
    folder = write_run(tmp_path / "run")
    before = set(os.listdir(folder))
    table = write_report(folder)
    assert set(os.listdir(folder)) - before == WRITTEN
    assert table.splitlines()[1].split()[:2] == ["model", "runtime"]
    assert (folder / "report.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert (folder / "pareto.png").read_bytes().endswith(b"IEND\xaeB`\x82")
    with (folder / "pareto.csv").open(newline="") as file:
        slow, winner, other = csv.DictReader(file)
    assert list(winner) == ["subnet", "accuracy", "accuracy_low", "accuracy_high", "latency_ms", "measured_ms", "low_ms", "high_ms", "source", "on_front"]
    assert [row["subnet"] for row in (slow, winner, other)] == [one.describe() for one in (SLOW, WINNER, OTHER)]
    assert (winner["accuracy"], winner["latency_ms"], winner["measured_ms"], winner["low_ms"], winner["high_ms"]) == ("0.8", "7.9", "8.0", "8.0", "8.5")
    assert (winner["source"], slow["source"]) == ("measured", "priced by measured kernels") and slow["measured_ms"] == ""
    assert [row["on_front"] for row in (slow, winner, other)] == ["False", "True", "True"]
    for row, told in zip((slow, winner, other), front_rows(read_run(folder)), strict=True):
        assert (float(row["accuracy_low"]), float(row["accuracy_high"])) == told.accuracy
        assert (float(row["low_ms"]), float(row["high_ms"])) == told.latency.interval_ms


def test_a_broken_run_leaves_the_old_report(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "report.html").write_text("old")
    (folder / "finalists.json").unlink()
    with pytest.raises(ValueError, match="finalists.json must be there"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "old"
    assert not (folder / "pareto.png").exists()


def test_a_report_that_cannot_be_drawn_writes_nothing(tmp_path, monkeypatch):
    def fail(run):
        raise RuntimeError("no picture")

    folder = write_run(tmp_path / "run")
    before = set(os.listdir(folder))
    monkeypatch.setattr(write, "page", fail)
    with pytest.raises(RuntimeError, match="no picture"):
        write_report(folder)
    assert set(os.listdir(folder)) == before


def test_the_same_run_gives_the_same_page(tmp_path):
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    write_report(first)
    write_report(second)
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in WRITTEN)
