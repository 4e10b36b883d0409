"""The main job itself, with everything real but small: BERT-tiny, sentences made here, BERT-base on TFLite."""

import dataclasses
import json
import pathlib

import jax
import pytest
from transformers import AutoTokenizer

from bertnas_jax.compiler import Tuning, load_compiled
from bertnas_jax.export import TfliteModel, run_examples
from bertnas_jax.model import load_checkpoint, read_config, resolve_checkpoint
from bertnas_jax.latency import read_records
from bertnas_jax.latency.devices import core_set, load_profile
from bertnas_jax.latency.simulate import encoder_operators, load_cpu_calibration, simulate_cpu
from bertnas_jax.report import write_report
from bertnas_jax.report.read_run import read_run
from bertnas_jax.report.tables import budget_table
from bertnas_jax.search import BudgetConfig, compare, explore, side_by_side, winner
from bertnas_jax.search.memory import load_memory_table
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.run import run
from bertnas_jax.space import Subnet
from bertnas_jax.train import SupernetConfig, fine_tune, predict_model, read_inputs
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
    """For this machine in int8, and a phone that any of these is fast enough for."""
    budget = BudgetConfig(seq_len=16, limits=("host/1 thread/tvm/int8_fast: 20x", "pixel_4/1 large: 9"))
    tiny_config = dataclasses.replace(tiny_config, budget=budget)
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
    check_precisions(folder, summary)
    products = {shape.describe() for shape in Tuning.load(folder / "tuning.json").tiles}
    assert {"16x128x384", "16x64x128", "16x128x256", "16x512x128"} <= products  # heads of 64: all two, one; both ffns
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
    assert summary["parity"]["tflite_max_abs_err"] < 1e-4 and summary["parity"]["tvm_dtype"] == "int8_fast"
    assert 1e-4 < summary["parity"]["tvm_rms_err"] <= summary["parity"]["tvm_max_abs_err"] < 0.5
    models = ("winner", "teacher", "bert_base")
    narrow = {("winner", "tvm", "int8_fast"), ("winner", "tvm", "int8_accurate"), ("winner", "tflite", "int8"), ("bert_base", "tflite", "int8")}
    assert {(one["model"], one["runtime"], one["dtype"], one["source"]) for one in summary["latencies"] if one["device"] != "pixel_4"} == {
        (*variant, "measured") for variant in {(model, runtime, "float32") for model in models for runtime in ("tvm", "tflite")} | narrow
    }
    assert {(one["model"], one["source"]) for one in summary["latencies"] if one["device"] == "pixel_4"} == {(model, "simulated") for model in models}
    here, phone = summary["budget"]["limits"]
    assert (here["evidence"], phone["evidence"], summary["winner"]["evidence"]) == ("measured", "simulated", "simulated")
    assert here["latency_ms"] == here["bert_base_ms"] / 20 and phone["latency_ms"] == 9.0
    assert [one["factor"] for one in summary["search"]["rounds"]][0] == 1.0
    assert sum(one["finalists"] for one in summary["search"]["rounds"]) == len(json.loads((folder / "finalists.json").read_text()))
    assert summary["search"]["early_stop"]["stopped"] == 0, "32 dev examples tell no two apart"
    finalists = json.loads((folder / "finalists.json").read_text())
    assert all(one["measured_ms"] > 0 and one["simulated"][0]["high_ms"] <= 9.0 for one in finalists)
    assert all(len(one["fresh_ms"]) == 3 for one in finalists if one["chosen"]), "the winner was timed in processes of its own"
    assert summary["winner"]["value"] > 0.9  # the made-up sentences are easy; chance is 0.5


def check_precisions(folder, summary):
    """What is said of the exported library is what that library does, held against a score that is taken here by other means."""
    (library,) = (folder / "winner").glob("model_*.so")
    assert library.name.endswith("_int8_fast.so") and "(int8_fast)" in (folder / "winner" / "README.md").read_text()
    told = {(one["runtime"], one["dtype"]): one for one in summary["precisions"]}
    assert told.keys() == {("tvm", "float32"), ("tvm", "int8_accurate"), ("tvm", "int8_fast"), ("tflite", "float32"), ("tflite", "int8")}
    tokenizer, model = AutoTokenizer.from_pretrained(folder / "winner"), load_compiled(library)
    rows = [line.split("\t") for line in (pathlib.Path(json.loads((folder / "config.json").read_text())["task"]) / "dev.tsv").read_text().splitlines()[1:]]
    hits = 0
    for sentence, label in rows:
        encoded = tokenizer(sentence, padding="max_length", max_length=16, return_token_type_ids=True, return_tensors="np")
        logits = model.run(*(encoded[name] for name in ("input_ids", "attention_mask", "token_type_ids")))
        hits += sorted({"good", "bad"})[int(logits.argmax())] == label
    assert told["tvm", "int8_fast"]["value"] == hits / len(rows)
    assert summary["winner"]["value"] == min(told["tvm", "int8_fast"]["value"], told["tflite", "float32"]["value"]), "one limit is for each"
    assert summary["budget"]["limits"][0]["file"] == f"winner/{library.name}" and summary["budget"]["limits"][1]["file"] == "winner/model.tflite"
    assert told["tvm", "float32"]["value"] == summary["winner"]["float32_value"]
    assert told["tvm", "float32"]["rms_err"] < min(told["tvm", "int8_accurate"]["rms_err"], told["tvm", "int8_fast"]["rms_err"])
    timing = {(one["model"], one["runtime"], one["dtype"]): one["median_ms"] for one in summary["latencies"] if one["source"] == "measured"}
    best, within = summary["best_dtype"], [one for one in told.values() if one["runtime"] == "tvm" and one["value"] >= summary["winner"]["float32_value"] - 0.005]
    assert timing["winner", "tvm", best["winner"]] == min(timing["winner", "tvm", one["dtype"]] for one in within)
    assert timing["bert_base", "tflite", best["bert_base"]] == min(timing["bert_base", "tflite", dtype] for dtype in ("float32", "int8"))
    assert summary["speedup_best_dtype"] >= summary["speedup_both_best_dtype"] > 1


def test_an_infeasible_budget_ends_before_training(tiny_config):
    budget = dataclasses.replace(tiny_config.budget, speedup_over_bert_base=1e5)
    with pytest.raises(InfeasibleBudget, match=r"got 0.00 ms .* for the fastest, D128-H64-N1-F256"):
        run(dataclasses.replace(tiny_config, budget=budget))
    assert not (pathlib.Path(tiny_config.workdir) / "checkpoints").exists()


def test_a_budget_for_phones_is_met_by_simulation_and_measures_nothing(tiny_config, monkeypatch):
    limits = ("pixel_4/1 large/tflite/float32: 1.1", "galaxy_s20/gpu/tflite/float16: 42x", "galaxy_a03s/2 large/tflite/int8/32: 5.6", "pixel_6/1 large/tvm/int8_fast: 41 mJ", "pixel_8/gpu/tvm: 9")
    budget = BudgetConfig(seq_len=16, limits=limits, simulated_margin="median", max_params=4_300_000, max_file_mb=17.1, max_flops=1e7, max_memory_mb=17.0)
    monkeypatch.setattr(side_by_side, "measure_interleaved", _refuse)
    monkeypatch.setattr(winner, "fine_tune", _spoil)
    summary = run(dataclasses.replace(tiny_config, budget=budget))
    folder = pathlib.Path(tiny_config.workdir)

    told = {limit["device"]: limit for limit in summary["budget"]["limits"]}
    subnet = Subnet.from_fields(summary["subnet"])
    cores, calibration = core_set(load_profile("pixel_4"), "1 large"), load_cpu_calibration()
    simulated = simulate_cpu(encoder_operators(subnet, 16, "float32"), cores, calibration)
    assert told["pixel_4"]["winner_ms"] == pytest.approx(simulated.total_ms) and told["pixel_4"]["high_ms"] == pytest.approx(simulated.high_ms)
    assert told["galaxy_s20"]["speedup_vs_tflite_bert_base"] >= 42 and told["galaxy_s20"]["latency_ms"] == told["galaxy_s20"]["bert_base_ms"] / 42
    assert (told["galaxy_a03s"]["seq_len"], told["galaxy_a03s"]["threads"]) == (32, 2)
    watts = core_set(load_profile("pixel_6"), "1 large").active_watts
    assert told["pixel_6"]["energy_mj"] == 41 and told["pixel_6"]["latency_ms"] == pytest.approx(41 / watts)
    assert told["pixel_6"]["winner_mj"] == pytest.approx(told["pixel_6"]["winner_ms"] * watts) and told["galaxy_a03s"]["winner_mj"] is None
    assert all(limit["winner_ms"] <= limit["latency_ms"] and limit["compliant"] for limit in told.values())
    sizes = {size["name"]: size["value"] for size in summary["budget"]["sizes"]}
    memory_mb = (summary["winner"]["weight_bytes"] + summary["winner"]["arena_bytes"]) / 1e6
    assert sizes == {
        "parameters": summary["winner"]["params"],
        "FLOPs": summary["winner"]["flops"],
        "float32 .tflite": (folder / "winner" / "model.tflite").stat().st_size / 1e6,
        "memory while running": memory_mb,
    }
    assert memory_mb <= 17.0 and f"{1e6 * memory_mb:,.0f}" in (folder / "winner" / "README.md").read_text()
    space = tiny_config.space.space_of(read_config(resolve_checkpoint(tiny_config.checkpoint)).subnet)
    priced = load_memory_table(space, folder / "memory_table.json")
    assert priced.of(subnet) == pytest.approx(memory_mb, abs=1e-6), "as it was priced before it was trained"
    assert sizes["parameters"] <= 4_300_000 and sizes["float32 .tflite"] <= 17.1 and sizes["FLOPs"] <= 1e7

    scores = summary["winner"]
    assert scores["tuned_value"] < 0.5 < scores["inherited_value"] == scores["float32_value"], "weights that came out worse are not the winner's"
    assert _score(tiny_config, folder / "winner") == scores["float32_value"]
    assert summary["winner"]["compliant"] and summary["winner"]["evidence"] == "simulated"
    assert summary["speedup_best_dtype"] is None
    check_deployed(tiny_config, folder, summary)
    assert {(one["source"], one["p90_ms"]) for one in summary["latencies"]} == {("simulated", None)}
    records = read_records(folder / "latency.jsonl")
    assert {(one.device, one.cores, one.dtype) for one in records if one.model == "finalist"} == {
        ("pixel_4", "1 large", "float32"), ("galaxy_s20", "gpu", "float16"), ("galaxy_a03s", "2 large", "int8"),
        ("pixel_6", "1 large", "int8_fast"), ("pixel_8", "gpu", "float32"),
    }  # fmt: skip
    survey = summary["search"]["survey"]
    assert survey["whole"] and survey["priced"] == 20 and 0 < survey["share"] < 1
    table = budget_table(read_run(folder).summary)
    assert ("galaxy_a03s, 2 large, TFLite int8, 32 tokens", "winner/model_int8.tflite") in {(row[0], row[3]) for row in table.rows}
    assert "(simulated, 90 % between" in (table := " ".join(write_report(folder).split())), table
    assert "not kept" in (folder / "report.html").read_text()


def check_deployed(config, folder, summary):
    """What each limit is for is there, and scores what is said of it."""
    job, told = read_inputs(config), {(one["runtime"], one["dtype"]): one for one in summary["precisions"]}
    files = {(limit["runtime"], limit["dtype"]): limit["file"] for limit in summary["budget"]["limits"]}
    kernels = {("tvm", "float32"): "android-opencl"}
    expected = {("tflite", "float32"): "model.tflite", ("tflite", "float16"): "model_float16.tflite", ("tflite", "int8"): "model_int8.tflite"}
    (library,) = (one for one in summary["phone_libraries"] if one["precision"] == "int8_fast")
    assert files == {form: f"winner/{name}" for form, name in (expected | kernels).items()} | {("tvm", "int8_fast"): library["folder"]}
    assert told.keys() == files.keys() and {limit["value"] for limit in summary["budget"]["limits"]} == {one["value"] for one in told.values()}
    for form, name in expected.items():
        logits = run_examples(TfliteModel(folder / "winner" / name).run, job.feed.dev, 16)
        assert told[form]["value"] == job.feed.task.score(logits, job.feed.dev.labels)
    assert told["tflite", "float32"]["rms_err"] < told["tflite", "float16"]["rms_err"] < told["tflite", "int8"]["rms_err"]
    assert summary["winner"]["value"] == min(one["value"] for one in told.values())
    assert f"{told['tflite', 'int8']['value']:.4f}" in (folder / "winner" / "README.md").read_text()
    assert json.loads((folder / "winner/android-opencl/launches.json").read_text())["lengths"] and told["tvm", "float32"]["rms_err"] < 1e-4
    if library["folder"]:
        card = (folder / library["folder"] / "README.md").read_text()
        assert (folder / library["folder"] / "libbertnas.so").exists() and "`int8_fast`" in card and "largest difference" in card


def _spoil(model, *args):
    """Fine-tunes, then mistakes every class for another."""
    fine_tune(model, *args)
    classifier = model.head.classifier
    classifier.kernel[...], classifier.bias[...] = -classifier.kernel[...], -classifier.bias[...]


def _score(config, folder):
    """The dev score of a deployed folder."""
    job = read_inputs(config)
    model = load_checkpoint(folder, read_config(folder), jax.random.key(0))
    return job.feed.task.score(predict_model(model, job.feed.dev_batches(), "dev"), job.feed.dev.labels)


def _refuse(*_, **__):
    raise AssertionError("a latency was measured")


def test_contrary_limits_end_before_training(tiny_config):
    budget = BudgetConfig(seq_len=16, limits=("pixel_4/1 large: 0.05",))
    with pytest.raises(InfeasibleBudget, match="got 0.05 ms .* on pixel_4, 1 large, tflite float32, 16 tokens and .* for the fastest, D128-H64-N1-F256"):
        run(dataclasses.replace(tiny_config, budget=budget))
    assert not (pathlib.Path(tiny_config.workdir) / "checkpoints").exists()
