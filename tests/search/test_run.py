"""The main job itself, with everything real but small: BERT-tiny, sentences made here, BERT-base on TFLite."""

import dataclasses
import json
import pathlib

import jax
import pytest

from bertnas_jax.model import load_checkpoint, read_config
from bertnas_jax.report import write_report
from bertnas_jax.search import compare, explore
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.run import run
from bertnas_jax.space import Subnet
from bertnas_jax.train import SupernetConfig
from bertnas_jax.train.run import run as train

pytestmark = pytest.mark.slow

RUN_FILES = (
    "config.json", "versions.json", "supernet", "latency.jsonl", "search/study.journal", "summary.json",
    "winner/subnet.json", "winner/model.tflite", "winner/config.json", "winner/tokenizer.json", "winner/README.md",
)  # fmt: skip


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""
    with jax.numpy_rank_promotion("raise"):
        yield


class Interrupted(Exception):
    pass


def test_training_alone_then_the_whole_job_stopped_twice_and_continued(tiny_config, monkeypatch, capsys):
    folder = pathlib.Path(tiny_config.workdir)
    scores = train(SupernetConfig(**{field.name: getattr(tiny_config, field.name) for field in dataclasses.fields(SupernetConfig)}))
    assert scores["teacher"] > 0.9 and json.loads((folder / "supernet.json").read_text()) == scores

    def stop(*_):
        raise Interrupted

    for module, stage in ((explore, "run_study"), (compare, "_measure")):
        with monkeypatch.context() as patched:
            patched.setattr(module, stage, stop)
            with pytest.raises(Interrupted):
                run(tiny_config)
    kept = {name: (folder / name).stat().st_mtime_ns for name in ("teacher.json", "supernet", "winner/model.tflite")}
    summary = run(tiny_config)
    assert kept == {name: (folder / name).stat().st_mtime_ns for name in kept}, "a stage that was whole was done again"
    check_summary(folder, summary)
    assert "winner" in write_report(folder)
    for name in (*RUN_FILES, "report.html", "pareto.png", "pareto.csv"):
        assert (folder / name).exists(), name
    assert not list(folder.rglob(".partial*"))

    stages = json.loads((folder / "stages.json").read_text())
    assert run(tiny_config)["winner"] == summary["winner"] and stages.keys() == json.loads((folder / "stages.json").read_text()).keys()


def check_summary(folder, summary):
    assert json.loads((folder / "summary.json").read_text()) == summary
    subnet = Subnet.from_fields(summary["subnet"])
    assert Subnet.from_json((folder / "winner" / "subnet.json").read_text()) == subnet
    keep_order = json.loads((folder / "layer_order.json").read_text())["keep_order"]
    kept = json.loads((folder / "winner" / "subnet.json").read_text())["kept_layers"]
    assert kept == summary["kept_layers"] == sorted(keep_order[: subnet.depth])
    assert read_config(folder / "winner").subnet == subnet
    load_checkpoint(folder / "winner", read_config(folder / "winner"), jax.random.key(0))
    assert summary["winner"]["compliant"] and summary["speedup_vs_tflite_bert_base"] >= 20
    assert summary["parity"]["tflite_max_abs_err"] < 1e-4 and summary["parity"]["tvm_max_abs_err"] < 1e-4
    assert {(one["model"], one["runtime"], one["source"]) for one in summary["latencies"]} == {
        (model, runtime, "measured") for model in ("winner", "teacher", "bert_base") for runtime in ("tvm", "tflite")
    }
    assert summary["winner"]["value"] > 0.9  # the made-up sentences are easy; chance is 0.5


def test_an_infeasible_budget_ends_before_training(tiny_config):
    budget = dataclasses.replace(tiny_config.budget, speedup_over_bert_base=1e5)
    with pytest.raises(InfeasibleBudget, match=r"got 0.00 ms .* for the fastest, D128-H64-N1-F256"):
        run(dataclasses.replace(tiny_config, budget=budget))
    assert not (pathlib.Path(tiny_config.workdir) / "checkpoints").exists()
