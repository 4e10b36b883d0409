"""The report of a budget without a latency: the front is over a size, and what the winner takes on this machine is told as it is."""

import csv

import pytest

from bertnas_jax.report import write_report
from bertnas_jax.report.front import budget_label, teacher_label
from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.front_rows import front_rows
from bertnas_jax.report.read_run import read_run
from bertnas_jax.report.recommendation import recommend
from tests.report.run_folders import FILE_LIMIT, LIMIT, PARAMETERS_LIMIT, for_sizes, write_run
from tests.report.test_page import Document


def over(tmp_path, *sizes):
    return read_run(write_run(tmp_path / "run", **for_sizes(*sizes)))


def test_the_front_is_over_the_first_size(tmp_path):
    run = over(tmp_path, PARAMETERS_LIMIT, FILE_LIMIT)
    cost = front_cost(run.summary)
    assert (cost.title, cost.column, cost.evidence, cost.winner, cost.teacher) == ("parameters", "parameters", "counted", 2_100_000.0, 2_200_000)
    assert (budget_label(run.summary), teacher_label(run.summary)) == ("budget 2.15 M parameters", "teacher 83.5 % at 2.20 M parameters (counted)")
    assert {(row.latency.source, row.latency.interval_ms) for row in front_rows(run)} == {("counted", None)}


def test_a_file_is_told_in_megabytes_and_that_of_the_teacher_is_not_known(tmp_path):
    cost = front_cost(over(tmp_path, FILE_LIMIT).summary)
    assert (cost.title, cost.column, cost.told(cost.most), cost.teacher) == ("float32 .tflite (MB)", "float32_tflite_mb", "12.0 MB", None)


def test_page_table_and_terminal_tell_sizes_and_the_latency_as_it_is(tmp_path):
    folder = write_run(tmp_path / "run", **for_sizes(PARAMETERS_LIMIT, FILE_LIMIT))
    table = write_report(folder)
    text = Document((folder / "report.html").read_text()).text
    for told in (
        "Budget: 2,150,000 parameters; 12 MB of float32 .tflite", "p90 8.50 ms, not limited, measured", "Score against parameters", "count parameters",
        "its parameters are counted before it is built", "across, none, for sizes are counted", "with its margin", "10.5 MB", "at parameters", "2.10 M", "20.0x",
    ):  # fmt: skip
        assert told in text, told
    assert "Where the winner's time goes" not in text
    assert "8.00 ms on host by TVM with 1 thread, 20.0x as fast" in " ".join(table.split()) and "all 2 limits of the budget (counted)" in " ".join(table.split())
    with (folder / "pareto.csv").open(newline="") as file:
        first, *_ = csv.DictReader(file)
    assert (first["parameters"], first["source"], first["low_ms"]) == ("7.0", "counted", "") and first["accuracy_low"]


def test_one_size_is_named_and_a_missed_one_too(tmp_path):
    assert recommend(over(tmp_path).summary).endswith("it meets the budget of 2,150,000 parameters (counted).")
    missed = for_sizes(PARAMETERS_LIMIT | {"value": 2_200_000.0, "compliant": False})
    missed["winner"] |= {"compliant": False}
    text = recommend(read_run(write_run(tmp_path / "missed", **missed)).summary)
    assert "2,200,000 parameters of at most 2,150,000 (counted)" in text
    assert "allow more or widen the search space" in text


def test_a_winner_of_sizes_alone_that_claims_a_measured_budget_is_refused(tmp_path):
    changes = for_sizes() | {"winner": {"evidence": "measured"}}
    with pytest.raises(ValueError, match="must be the weakest of its limits', 'counted', got 'measured'"):
        read_run(write_run(tmp_path / "run", **changes))
    both = read_run(write_run(tmp_path / "both", budget={"limits": [LIMIT], "sizes": [PARAMETERS_LIMIT]}))
    assert front_cost(both.summary).column == "latency_ms"
