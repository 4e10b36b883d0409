"""A real tracker and two real servers, each in a process of its own, on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from bertnas_jax.compiler import compile_model, host_target
from bertnas_jax.latency import full_inputs, read_records
from bertnas_jax.latency import fan_out
from bertnas_jax.latency.config import LatencyConfig
from bertnas_jax.latency.fan_out import Devices, measure_on_all
from bertnas_jax.latency.on_device import measure_on_device
from bertnas_jax.latency.rpc import DeviceError, tracker_at
from bertnas_jax.space import Subnet
from tests.export.conftest import make_model

pytest.importorskip("tornado", reason="TVM's tracker needs tornado: pip install -e '.[rpc]'")
pytestmark = pytest.mark.slow
L, KEY = 16, "board"
SUBNETS = [Subnet.uniform(depth, 32, 4, 48) for depth in (1, 2, 3)]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def started(module, port, *flags):
    """The program in a group of its own: a server's sessions are processes that it starts."""
    where = ["--host=127.0.0.1", f"--port={port}", f"--port-end={port + 1}"]
    return subprocess.Popen([sys.executable, "-m", module, *where, *flags], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def known(address):
    try:
        with tracker_at(address) as tracker:
            return len(tracker.summary()["server_info"])
    except DeviceError:
        return -1


def until(holds):
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, "the tracker and its servers did not start"
        time.sleep(0.2)


@pytest.fixture
def boards():
    """Two devices of a key: their tracker's address, and their processes."""
    port = free_port()
    address, processes = f"127.0.0.1:{port}", [started("tvm.exec.rpc_tracker", port)]
    try:
        until(lambda: known(address) >= 0)
        processes += [started("tvm.exec.rpc_server", free_port(), f"--tracker={address}", f"--key={KEY}") for _ in range(2)]
        until(lambda: known(address) == 2)
        yield address, processes[1:]
    finally:
        for process in processes:
            killed(process)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries")
    paths = [folder / f"{subnet.depth}.so" for subnet in SUBNETS]
    for subnet, path in zip(SUBNETS, paths, strict=True):
        compile_model(make_model(subnet), L, host_target()).save(path)
        path.with_suffix(".json").write_text(subnet.to_json())
    return paths


def test_both_devices_work_and_every_model_has_its_record(boards, libraries, tmp_path, monkeypatch):
    """The two that are begun first are at work at the same time: neither ends before the other has begun."""
    address, _ = boards
    measure, begun = fan_out.measure_by_rpc, []

    def together(session, library, *asked):
        begun.append(library)
        until(lambda: len(begun) >= 2)
        return measure(session, library, *asked)

    monkeypatch.setattr(fan_out, "measure_by_rpc", together)
    files = ",".join(map(str, libraries)), ",".join(str(path.with_suffix(".json")) for path in libraries)
    config = LatencyConfig(measure=True, tracker=address, key=KEY, model_file=files[0], subnet=files[1], seq_len=L, runs=5, out=str(tmp_path / "latency.jsonl"))
    told = measure_on_device(config)
    records = read_records(tmp_path / "latency.jsonl")
    assert {one.subnet for one in records} == set(SUBNETS) and len(records) == len(told.splitlines()) == 3
    assert {(one.source, one.device, one.runs) for one in records} == {("measured", KEY, 5)}


def test_what_a_lost_device_was_at_is_measured_on_the_other(boards, libraries, monkeypatch, capsys):
    address, (first, _) = boards
    measure, sessions = fan_out.measure_by_rpc, []

    def lose_one(session, library, *asked):
        sessions.append(library)
        until(lambda: len(sessions) >= 2)  # both devices are taken: one of them is lost under its model
        killed(first)
        return measure(session, library, *asked)

    monkeypatch.setattr(fan_out, "measure_by_rpc", lose_one)
    found = dict(measure_on_all(Devices(address, KEY, 60), libraries * 2, full_inputs(L), 1, 30))
    assert sorted(found) == list(range(6)) and all(timing.runs == 30 for timing in found.values())
    assert len(sessions) == 7 and "a device of key 'board' was lost" in capsys.readouterr().err
    assert known(address) == 1


def test_when_the_last_device_is_lost_that_is_said(boards, libraries, monkeypatch):
    address, processes = boards
    measure = fan_out.measure_by_rpc

    def lose_all(*asked):
        for process in processes:
            killed(process)
        return measure(*asked)

    monkeypatch.setattr(fan_out, "measure_by_rpc", lose_all)
    with pytest.raises(DeviceError, match=r"key must be of a device at .*, which has \[\], got 'board'"):
        list(measure_on_all(Devices(address, KEY, 60), libraries, full_inputs(L), 1, 5))


def test_a_model_that_no_session_survives_is_given_up(boards, libraries, monkeypatch):
    def break_off(*_):
        raise RuntimeError("the other end hung up")

    monkeypatch.setattr(fan_out, "measure_by_rpc", break_off)
    with pytest.raises(RuntimeError, match=r"1.so must be measured in one session, got 3 that broke off, the last by: the other end hung up"):
        list(measure_on_all(Devices(boards[0], KEY, 60), libraries[:1], full_inputs(L), 1, 5))


def test_what_no_device_can_do_is_not_tried_again(boards, libraries, capsys):
    with pytest.raises(DeviceError, match="threads must be as many as the device gives, got 1000"):
        list(measure_on_all(Devices(boards[0], KEY, 60), libraries, full_inputs(L), 1000, 5))
    with pytest.raises(FileNotFoundError, match="a compiled model must be a file, got .*none.so"):
        list(measure_on_all(Devices(boards[0], KEY, 60), [libraries[0].with_name("none.so")], full_inputs(L), 1, 5))
    assert "was lost" not in capsys.readouterr().err


def test_a_request_that_no_device_is_left_for_ends(boards):
    """As when the last is lost between the look at the tracker and the request."""
    with tracker_at(boards[0]) as tracker, pytest.raises(RuntimeError, match="Cannot request lost after 1 retry"):
        tracker.request("lost", max_retry=1)
