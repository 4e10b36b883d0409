"""A real tracker and a real server, each in a process of its own, on loopback."""

import subprocess
import sys

import numpy as np
import pytest

from bertnas_jax.compiler import bucket_lengths, compile_lengths, compile_model, host_target
from bertnas_jax.latency import full_inputs, read_records
from bertnas_jax.latency.rpc import connect_device, measure_by_rpc, parse_tracker
from bertnas_jax.space import Subnet
from tests.conftest import REPOSITORY
from tests.export.conftest import make_model

pytest.importorskip("tornado", reason="TVM's tracker needs tornado: pip install -e '.[rpc]'")
pytestmark = pytest.mark.slow
SUBNET, L, KEY = Subnet.uniform(2, 32, 4, 48), 16, "loopback"


@pytest.fixture(scope="module")
def tracker():
    from tvm.rpc.server import Server
    from tvm.rpc.tracker import Tracker

    tracker = Tracker("127.0.0.1", port=19190, port_end=19290, silent=True)
    server = Server("127.0.0.1", port=19300, port_end=19400, tracker_addr=("127.0.0.1", tracker.port), key=KEY, silent=True)
    yield f"127.0.0.1:{tracker.port}"
    server.terminate()
    tracker.terminate()


@pytest.mark.parametrize("lengths", [None, bucket_lengths(L)])
def test_the_device_computes_what_this_process_does(tracker, tmp_path, lengths):
    model, target = make_model(SUBNET), host_target()
    compiled = compile_lengths(model, lengths, target) if lengths else compile_model(model, L, target)
    compiled.save(tmp_path / "model.so")
    inputs = full_inputs(L)
    timing, logits = measure_by_rpc(connect_device(tracker, KEY, 60), tmp_path / "model.so", inputs, threads=1, runs=7)
    np.testing.assert_array_equal(logits, compiled.run(*inputs))
    assert timing.runs == 7 and min(timing.samples_ms) > 0


def test_the_command_appends_a_record(tracker, tmp_path):
    compile_model(make_model(SUBNET), L, host_target()).save(tmp_path / "model.so")
    (tmp_path / "subnet.json").write_text(SUBNET.to_json())
    where = [f"--tracker={tracker}", f"--key={KEY}", f"--model_file={tmp_path / 'model.so'}", f"--subnet={tmp_path / 'subnet.json'}"]
    conditions = ["--measure", "--runtime=tvm", f"--seq_len={L}", "--runs=5", f"--out={tmp_path / 'latency.jsonl'}"]
    command = [sys.executable, "-m", "bertnas_jax.latency", *conditions, *where]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (record,) = read_records(tmp_path / "latency.jsonl")
    assert (record.source, record.device, record.runtime, record.threads, record.runs) == ("measured", KEY, "tvm", 1, 5)
    assert record.subnet == SUBNET


def test_threads_that_the_device_has_not_are_refused(tracker, tmp_path):
    compile_model(make_model(SUBNET), L, host_target()).save(tmp_path / "model.so")
    with pytest.raises(RuntimeError, match="threads must be as many as the device gives, got 1000"):
        measure_by_rpc(connect_device(tracker, KEY, 60), tmp_path / "model.so", full_inputs(L), threads=1000, runs=3)


def test_a_key_that_no_device_has_is_named(tracker):
    with pytest.raises(RuntimeError, match=r"has \['loopback'\], got 'pixel'"):
        connect_device(tracker, "pixel", 60)


def test_a_tracker_that_is_not_there_is_named():
    with pytest.raises(RuntimeError, match="must be reachable at 127.0.0.1:1, got"):
        connect_device("127.0.0.1:1", KEY, 60)


@pytest.mark.parametrize("text", ["", "host", "host:", ":9190", "host:0", "host:70000", "host:a"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="tracker must be host:port"):
        parse_tracker(text)
