from bertnas_jax.report.parse import parse
from bertnas_jax.report.summary import Summary
from bertnas_jax.report.terminal import WIDTH, terminal_table
from tests.report.run_folders import LATENCIES, latency, summary


def lines(**changes):
    return terminal_table(parse(Summary, summary(**changes), "summary")).splitlines()


def test_rows_and_figures():
    assert [line.split() for line in lines()[3:7]] == [
        ["BERT-base", "TFLite", "measured", "160", "170", "1.0x", "n/a", "109", "M", "5.49", "G"],
        ["teacher", "TVM", "measured", "16.0", "17.5", "10.0x", "83.5", "%", "2.20", "M", "14.0", "M"],
        ["winner", "TVM", "measured", "8.00", "8.50", "20.0x", "81.9", "%", "2.10", "M", "5.00", "M"],
        ["winner", "TFLite", "measured", "10.0", "10.9", "16.0x", "81.9", "%", "2.10", "M", "5.00", "M"],
    ]


def test_columns_are_aligned_and_fit():
    text = lines(budget={"device": "host"}, checkpoint="x" * 200)
    assert max(map(len, text)) <= WIDTH
    assert len({len(line) for line in text[1:7]}) == 1


def test_other_conditions_are_left_out_and_other_numbers_are_named():
    more = [*LATENCIES, {**latency("winner", "tvm", 3.0, 3.1), "threads": 4}, {**latency("winner", "tflite", 6.0, 6.1), "dtype": "int8"}]
    text = "\n".join(lines(latencies=more))
    assert "3.00" not in text
    assert "TFLite int8" in text


def test_a_factor_without_its_baseline_is_not_made_up():
    row = next(line for line in lines(latencies=LATENCIES[:3]) if line.startswith("teacher"))
    assert row.split()[5] == "n/a"
