import json

import pytest

from bertnas_jax.report.read_run import read_run
from tests.report.run_folders import (
    EVALUATED,
    FINALISTS,
    OTHER,
    PHONE_FINALISTS,
    PHONE_LIMIT,
    SUMMARY,
    TEACHER,
    UNIFORM,
    WINNER,
    for_phones,
    latency,
    limited,
    write_run,
)

FILES = ("config.json", "summary.json", "search/evaluated.json", "search/uniform.json", "finalists.json", "kernels.json", "latency.jsonl")


def test_everything_is_read(tmp_path):
    run = read_run(write_run(tmp_path / "run"))
    assert run.summary.subnet == WINNER
    assert run.summary.kept_layers == (0, 2)
    assert run.summary.winner_latency.median_ms == 8.0
    assert [point.subnet for point in run.front] == [OTHER, WINNER]  # the fastest first
    assert run.best_uniform.subnet == UNIFORM  # the teacher scores higher but is slower than the winner
    assert (len(run.evaluated), len(run.latencies), run.torn_lines) == (3, 4, 0)
    assert run.latencies[0].reference_drift == 1.25


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_the_command_that_writes_it(tmp_path, name):
    folder = write_run(tmp_path / "run")
    (folder / name).unlink()
    with pytest.raises(ValueError, match=rf"{name} must be there, got no such file; `python -m bertnas_jax.search --flagfile=.* --workdir=.*run`"):
        read_run(folder)


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_broken_file_is_named(tmp_path, name):
    folder = write_run(tmp_path / "run")
    (folder / name).write_text('{"budget": ')
    with pytest.raises(ValueError, match=rf"{name} must be JSON, got .*; delete it and `python -m bertnas_jax.search"):
        read_run(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"winner": {"value": "high"}}, "winner.value must be a finite number, got high"),
        ({"winner": {"value": float("nan")}}, "winner.value must be a finite number, got nan"),
        ({"winner": {"params": 1.5}}, "winner.params must be of type int, got 1.5"),
        ({"winner": {"evidence": "guessed"}}, "winner.evidence must be one of .* got 'guessed'"),
        ({"winner": {"metric": "f1"}}, "metric must be the task's 'accuracy'"),
        ({"budget": limited(latency_ms=0)}, "budget.latency_ms must be above 0"),
        ({"budget": limited(runtime="tflite", threads=4)}, "must hold the winner's measured one on tflite"),
        ({"budget": limited(evidence="simulated")}, "must have the interval of a simulated latency, got None to None"),
        ({"budget": {"limits": [PHONE_LIMIT]}, "winner": {"evidence": "simulated"}}, "must hold the winner's simulated one on tflite"),
        ({"budget": {"limits": []}}, "budget must hold one limit at least"),
        ({"winner": {"evidence": "simulated"}}, "winner.evidence must be the weakest of its limits', 'measured', got 'simulated'"),
        ({"kept_layers": [0]}, "kept_layers must name one of the teacher's blocks 0 to 3 for each of 2 blocks"),
        ({"kept_layers": [0, 4]}, "kept_layers must name one of the teacher's blocks 0 to 3"),
        ({"kept_layers": [1, 1]}, "kept_layers must name a teacher's block once"),
        ({"latencies": 3}, "latencies must be a list, got 3"),
        ({"subnet": {"hidden": 0}}, "the file.subnet must be a Subnet"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"summary.json must be what the search writes, got one where .*{message}"):
        read_run(write_run(tmp_path / "run", **changes))


def test_a_missing_field_is_named(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "summary.json").write_text(json.dumps({name: SUMMARY[name] for name in SUMMARY if name != "parity"}))
    with pytest.raises(ValueError, match=r"summary.json .* must have the fields \['parity'\]"):
        read_run(folder)


def test_more_fields_than_needed_are_let_pass(tmp_path):
    folder = write_run(tmp_path / "more")
    (folder / "summary.json").write_text(json.dumps({**SUMMARY, "notes": "more"}))
    assert read_run(folder).summary.subnet == WINNER


def test_files_that_disagree_on_the_winner_are_refused(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "finalists.json").write_text(json.dumps([{**one, "chosen": not one["chosen"]} for one in FINALISTS]))
    with pytest.raises(ValueError, match="finalists.json must have summary.json's winner .* alone as chosen"):
        read_run(folder)


def test_a_winner_that_was_never_evaluated_is_refused(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "search/evaluated.json").write_text(json.dumps([EVALUATED[0], EVALUATED[2]]))
    with pytest.raises(ValueError, match="evaluated.json must hold the winner"):
        read_run(folder)


def test_a_torn_line_of_the_latencies_is_counted_and_left_out(tmp_path):
    folder = write_run(tmp_path / "run")
    with (folder / "latency.jsonl").open("a") as file:
        file.write('{"model": "win')
    run = read_run(folder)
    assert (len(run.latencies), run.torn_lines) == (4, 1)


def test_a_whole_line_without_a_field_is_refused(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "latency.jsonl").write_text(json.dumps(latency("winner", "tvm", 1.0, 1.0)) + "\n")
    with pytest.raises(ValueError, match=r"latency.jsonl .*line 1 must have the fields \['date', 'reference_drift', 'subnet'\]"):
        read_run(folder)


def test_a_run_for_a_phone_is_read(tmp_path):
    run = read_run(write_run(tmp_path / "run", finalists=PHONE_FINALISTS, **for_phones()))
    assert run.summary.winner_latency.median_ms == 25.0 and run.summary.winner_latency.high_ms == pytest.approx(27.5)
    assert run.finalists[0].simulated[0].high_ms == 27.5 and run.finalists[0].measured_ms is None
    teacher, gpu = run.summary.latencies[1], run.summary.latencies[3]
    assert run.summary.speedup(teacher) == 400.0 / 58.5 and run.summary.speedup(gpu) == 42.0 / 3.0


def test_the_host_may_go_by_the_name_of_its_cpu(tmp_path):
    named = [{**one, "device": "Example CPU 3000"} for one in SUMMARY["latencies"]]
    run = read_run(write_run(tmp_path / "run", latencies=named))
    assert run.summary.winner_latency.device == "Example CPU 3000"
    assert run.summary.teacher.subnet == TEACHER
