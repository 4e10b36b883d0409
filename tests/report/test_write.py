import csv
import os

import pytest

import bertnas_jax.report.write as write
from bertnas_jax.report import write_report
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
        assert list(csv.reader(file)) == [
            ["subnet", "accuracy", "latency_ms", "on_front"],
            [SLOW.describe(), "0.7", "7.0", "False"],
            [WINNER.describe(), "0.8", "7.9", "True"],
            [OTHER.describe(), "0.75", "4.0", "True"],
        ]


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
