"""Two real processes train together; one is killed, both are started again, and the weights end the same."""

import os
import pathlib
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from bertnas_jax.train.distributed import ProcessConfig, agreed, is_primary, join

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONPATH": str(REPOSITORY)}
LIMIT_S = 300


@pytest.fixture
def processes():
    """Processes started by a test, none of which outlives it."""
    started = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(processes, folder, output, stop_at=(-1, -1)):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
    pair = []
    for number in (0, 1):
        command = [sys.executable, "-m", "tests.train.mesh_process", coordinator, str(number), folder, str(stop_at[number]), output]
        pair.append(subprocess.Popen(
            [str(part) for part in command], env=os.environ | ENVIRONMENT, cwd=REPOSITORY,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ))  # fmt: skip
    processes += pair
    return pair


def finish(pair):
    for process in pair:
        _, errors = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, errors


@pytest.mark.slow
def test_a_killed_process_costs_nothing_but_time(tmp_path, processes):
    finish(start(processes, tmp_path / "whole", tmp_path / "whole.npz"))

    survivor, killed = start(processes, tmp_path / "again", tmp_path / "again.npz", stop_at=(-1, 5))
    assert "stopped\n" in iter(killed.stdout.readline, ""), killed.stderr.read()  # gloo prints lines of its own
    killed.send_signal(signal.SIGKILL)
    survivor.communicate(timeout=LIMIT_S)
    assert survivor.returncode != 0, "a process must not go on without the other"
    assert not (tmp_path / "again.npz").exists()
    saved = [int(folder.name) for folder in (tmp_path / "again").iterdir() if folder.name.isdecimal()]
    assert saved and max(saved) <= 5

    finish(start(processes, tmp_path / "again", tmp_path / "again.npz"))
    expected, found = (np.load(tmp_path / name) for name in ("whole.npz", "again.npz"))
    for name in expected.files:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


def test_a_process_alone_needs_no_coordinator():
    join(ProcessConfig())
    assert is_primary() and agreed(True) and not agreed(False)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"num_processes": 2}, "coordinator must be given for num_processes=2, got ''; name process 0 as host:port"),
        ({"num_processes": 2, "process_id": 2, "coordinator": "a:1"}, "process_id must be less than num_processes=2, got 2"),
        ({"coordinator": "somewhere"}, "coordinator must be host:port or auto, got 'somewhere'"),
        ({"num_processes": 0}, "num_processes must be at least 1, got 0"),
    ],
)
def test_processes_that_cannot_meet_are_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        ProcessConfig(**knobs)
