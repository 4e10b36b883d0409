import dataclasses
import json

import pytest

from bertnas_jax.latency import LatencyRecord, append_records, read_records
from bertnas_jax.space import Layer, Subnet

RECORD = LatencyRecord(
    "winner", Subnet(32, 8, (Layer(2, 48), Layer(5, 24))), "a CPU", "tvm", "float32", 2, 64, "measured", 1.5, 2.0, 30, 1.1
)


def test_round_trip(tmp_path):
    path = tmp_path / "latency.jsonl"
    others = [dataclasses.replace(RECORD, model="bert_base", runtime="tflite"), dataclasses.replace(RECORD, source="table", runs=0)]
    append_records(path, [RECORD])
    append_records(path, others)
    assert read_records(path) == [RECORD, *others]
    assert len(path.read_text().splitlines()) == 3


def test_a_simulated_one_has_its_interval(tmp_path):
    simulated = dataclasses.replace(RECORD, device="pixel_4", cores="1 large", source="simulated", p90_ms=None, runs=0, low_ms=1.2, high_ms=1.8)
    append_records(tmp_path / "latency.jsonl", [simulated])
    assert read_records(tmp_path / "latency.jsonl") == [simulated]
    for wrong in ({"high_ms": 1.4}, {"low_ms": None}):
        with pytest.raises(ValueError, match="median_ms must be within low_ms and high_ms"):
            dataclasses.replace(simulated, **wrong)


def test_a_line_of_before_there_were_intervals_is_read():
    fields = dataclasses.asdict(RECORD)
    assert LatencyRecord.from_fields({name: value for name, value in fields.items() if name not in ("cores", "low_ms", "high_ms")}) == RECORD


def test_no_file_no_records(tmp_path):
    assert read_records(tmp_path / "latency.jsonl") == []


def test_a_torn_last_line_is_left_out_aloud(tmp_path, capsys):
    path = tmp_path / "latency.jsonl"
    append_records(path, [RECORD, RECORD])
    path.write_bytes(path.read_bytes()[:-20])
    assert read_records(path) == [RECORD]
    assert "latency.jsonl:2: left out, torn by a crash" in capsys.readouterr().err
    append_records(path, [RECORD])  # not glued to the torn line
    assert read_records(path) == [RECORD, RECORD]


def test_a_whole_line_of_something_else_raises(tmp_path):
    path = tmp_path / "latency.jsonl"
    path.write_text(json.dumps({"model": "winner"}) + "\n")
    with pytest.raises(ValueError, match="latency.jsonl:1: a latency record must have the fields"):
        read_records(path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("runtime", "onnx", "runtime must be one of"),
        ("source", "guessed", "source must be one of"),
        ("threads", 0, "threads must be at least 1"),
        ("median_ms", float("nan"), "median_ms must be positive"),
        ("median_ms", -1.0, "median_ms must be positive"),
        ("p90_ms", 1.0, "at most p90_ms"),
    ],
)
def test_fields_are_checked(field, value, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECORD, **{field: value})
