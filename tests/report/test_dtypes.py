"""What is shown of a winner that was measured in several dtypes."""

import pytest

from bertnas_jax.report.dtypes import best_dtypes_sentence, dtype_table
from bertnas_jax.report.page import page
from bertnas_jax.report.parse import parse
from bertnas_jax.report.read_run import read_run
from bertnas_jax.report.summary import Summary
from bertnas_jax.report.terminal import WIDTH, terminal_table
from tests.report.run_folders import in_dtypes, summary, write_run


@pytest.fixture(scope="module")
def told():
    return parse(Summary, summary(**in_dtypes()), "summary")


def test_a_row_a_dtype_with_its_own_score_and_both_factors(told):
    assert dtype_table(told).rows == [
        ("TVM int8_fast", "81.4 %", "1.4e-02", "2.5e-02", "4.00", "40.0x", "25.0x"),
        ("TFLite", "81.9 %", "1.4e-02", "2.5e-02", "10.0", "16.0x", "10.0x"),
        ("TVM", "81.9 %", "1.4e-02", "2.5e-02", "8.00", "20.0x", "12.5x"),
        ("TVM int8_accurate", "81.8 %", "1.4e-02", "2.5e-02", "5.00", "32.0x", "20.0x"),
        ("TFLite int8", "81.7 %", "1.4e-02", "2.5e-02", "8.00", "20.0x", "12.5x"),
    ]


def test_the_terminal_gives_each_dtype_its_score_and_says_what_is_best(told):
    lines = terminal_table(told).splitlines()
    scores = {tuple(line.split("  measured")[0].split(None, 1)): line.split()[-6] for line in lines if line.startswith("winner")}
    assert scores == {
        ("winner", "TVM              "): "81.9", ("winner", "TVM int8_fast    "): "81.4", ("winner", "TVM int8_accurate"): "81.8",
        ("winner", "TFLite           "): "81.9", ("winner", "TFLite int8      "): "81.7",
    }  # fmt: skip
    assert max(map(len, lines)) <= WIDTH
    assert "in int8_accurate is 32.0x as fast as BERT-base on TFLite in float32, 20.5x with that at its best too (int8)" in " ".join(lines)


def test_the_page_says_which_numbers_the_budget_is_for(tmp_path):
    text = page(read_run(write_run(tmp_path / "run", **in_dtypes())))
    for figure in (
        "4.00 ms on host by TVM int8_fast with 1 thread", "81.4 % accuracy (teacher 83.5 %)", "The winner in every dtype", "latency, TVM int8_fast",
        "TVM int8_fast</dt><dd>2.5e-02, root mean square 1.4e-02", "winner in float32", "supernet in TVM int8_fast, all of dev",
    ):  # fmt: skip
        assert figure in text, figure


def test_nothing_is_said_where_nothing_was_measured():
    assert best_dtypes_sentence(parse(Summary, summary(), "summary")) == ""


def test_a_best_dtype_without_its_figure_is_refused():
    with pytest.raises(ValueError, match="best_dtype must come with both of its speed-ups"):
        parse(Summary, summary(**in_dtypes() | {"speedup_best_dtype": None}), "summary")
