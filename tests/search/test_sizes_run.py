"""The whole job for a budget without a latency, real but small."""

import dataclasses
import json
import pathlib

import jax
import pytest

from bertnas_jax.latency import read_records
from bertnas_jax.report import write_report
from bertnas_jax.search import BudgetConfig
from bertnas_jax.search.run import run
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.space import Subnet

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""
    with jax.numpy_rank_promotion("raise"):
        yield


def test_a_budget_of_sizes_alone_ends_in_a_winner_whose_latency_here_is_told(tiny_config):
    config = dataclasses.replace(tiny_config, budget=BudgetConfig(seq_len=16, max_params=4_250_000, max_flops=1e7))
    summary, folder = run(config), pathlib.Path(config.workdir)
    sizes = {size["name"]: size for size in summary["budget"]["sizes"]}
    assert sizes["parameters"]["value"] == summary["winner"]["params"] <= 4_250_000 and sizes["FLOPs"]["value"] <= 1e7
    assert summary["winner"]["compliant"] and summary["winner"]["evidence"] == "counted" and summary["winner"]["value"] > 0.9
    asked = {name: summary["budget"][name] for name in ("device", "runtime", "threads", "seq_len", "latency_ms", "limits")}
    assert asked == {"device": "host", "runtime": "tvm", "threads": 1, "seq_len": 16, "latency_ms": None, "limits": []}

    measured = {(one["model"], one["runtime"], one["dtype"]): one for one in summary["latencies"] if one["source"] == "measured"}
    assert len(measured) == len(summary["latencies"]) and {model for model, *_ in measured} == {"winner", "teacher", "bert_base"}
    times = measured["bert_base", "tflite", "float32"]["median_ms"] / measured["winner", "tvm", "float32"]["median_ms"]
    assert summary["speedup_vs_tflite_bert_base"] == pytest.approx(times, rel=0.5) and summary["best_dtype"] is not None
    assert {one.model for one in read_records(folder / "latency.jsonl")} == {"winner", "teacher", "bert_base"}, "no finalist had a latency to meet"
    assert list((folder / "winner").glob("model_*.so")) and not (folder / "kernel_table.json").exists()

    rows = json.loads((folder / "search/evaluated.json").read_text())
    (own,) = (row["latency_ms"] for row in rows if Subnet.from_fields(row["subnet"]) == Subnet.from_fields(summary["subnet"]))
    assert own == summary["winner"]["params"], "the front is over the first size"
    assert "all 2 limits of the budget (counted)" in " ".join(write_report(folder).split())
    assert (folder / "pareto.csv").read_text().startswith("subnet,accuracy,accuracy_low,accuracy_high,parameters,")


def test_sizes_that_nothing_meets_end_before_training(tiny_config):
    budget = BudgetConfig(seq_len=16, max_file_mb=1.0)
    with pytest.raises(InfeasibleBudget, match="got 1.00 MB and [0-9.]+ MB for the smallest, D128-H64-N1-F256; allow more"):
        run(dataclasses.replace(tiny_config, budget=budget))
    assert not (pathlib.Path(tiny_config.workdir) / "checkpoints").exists()
