"""The program as a user runs it: on one device, over a mesh, as two processes of which one is killed, and asked for what it cannot do."""

import dataclasses
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from bertnas_jax.data import TaskSpec
from bertnas_jax.flags import config_to_flagfile, config_to_json
from bertnas_jax.train import SpaceConfig, SupernetConfig, SupernetTrainConfig, TrainConfig
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

LIMIT_S = 300
PROGRAM, CHECKPOINTING = "bertnas_jax.train", "tests.train.checkpointing_run"
FAST_COMPILATION = "--xla_backend_optimization_level=0"
EIGHT_DEVICES = f"{FAST_COMPILATION} --xla_force_host_platform_device_count=8"
MESHES = {"data": (8, 1, 1), "fsdp": (1, 8, 1), "tensor": (4, 1, 2)}  # BERT-tiny has 2 heads


def _sentence(rng):
    words, label = rng.choice((("bright warm kind", "good"), ("dull cold rude", "bad")))
    return f"the {rng.choice('film book song meal'.split())} was {rng.choice(words.split())}\t{label}"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """BERT-tiny on sentences made here, in batches whose rows do not divide by 8."""
    folder, rng = tmp_path_factory.mktemp("task"), random.Random(0)
    for split, size in (("train", 128), ("dev", 32)):
        lines = "\n".join(_sentence(rng) for _ in range(size))
        (folder / f"{split}.tsv").write_text(f"sentence\tlabel\n{lines}\n")
    return SupernetConfig(
        workdir=str(tmp_path_factory.mktemp("runs")),
        checkpoint="package:cognition",
        max_length=8,
        tokens_per_batch=88,
        max_buckets=1,
        importance_batches=0,  # two neurons of almost equal importance would change places by rounding
        num_random=0,
        task=TaskSpec(task=str(folder)),
        space=SpaceConfig(depths=(1, 2), ffns=(256, 512)),
        teacher=TrainConfig(epochs=0.5, learning_rate=5e-5),
        supernet=SupernetTrainConfig(learning_rate=5e-5),
    )


def start(module, *arguments, xla_flags=FAST_COMPILATION):
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": xla_flags, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """Exit status and everything it said."""
    out, errors = process.communicate(timeout=LIMIT_S)
    return process.returncode, out + errors


def in_folder(config, name):
    return dataclasses.replace(config, workdir=str(pathlib.Path(config.workdir) / name))


def flags_of(config, tmp_path):
    flagfile = tmp_path / "flags.cfg"
    flagfile.write_text(config_to_flagfile(config))
    return [f"--flagfile={flagfile}"]


def weights_of(config, name):
    folder = pathlib.Path(config.workdir) / name / "supernet"
    with ocp.StandardCheckpointer() as checkpointer:
        return jax.tree.leaves(checkpointer.restore(folder))


@pytest.fixture(scope="module")
def on_one_device(config, tmp_path_factory):
    """The weights of an uninterrupted run on one device."""
    status, said = finish(start(PROGRAM, *flags_of(in_folder(config, "one"), tmp_path_factory.mktemp("flags"))))
    assert status == 0, said
    return weights_of(config, "one")


def check_equal(found, expected):
    # Adam turns rounding in small gradients into a part of its learning rate of 1e-4 a step.
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_every_mesh_gives_the_weights_of_one_device(config, on_one_device):
    status, said = finish(start("tests.train.mesh_runs", config_to_json(config), json.dumps(MESHES), xla_flags=EIGHT_DEVICES))
    assert status == 0, said
    for name in MESHES:
        check_equal(weights_of(config, name), on_one_device)
    assert "mesh data=1 fsdp=8 tensor=1: 8 devices of 1 process" in said
    assert "note: " not in said.split("mesh data=4")[1].split("==")[0]


def start_two(flags, started):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
    flags = [*flags, f"--coordinator={coordinator}", "--num_processes=2", "--heartbeat_s=10"]
    started += [start(CHECKPOINTING, *flags, f"--process_id={number}") for number in (0, 1)]
    return started[-2:]


def kill_once_saved(process, folder, steps):
    """Kills the process when this many steps, or more, of the supernet's training are saved."""
    give_up = time.monotonic() + LIMIT_S
    while not (saved := [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]) or max(saved) < steps:
        assert process.poll() is None, finish(process)
        assert time.monotonic() < give_up
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)


def test_two_processes_killed_one_after_the_other_end_with_the_weights_of_one_device(config, on_one_device, tmp_path):
    flags, started = flags_of(in_folder(config, "two"), tmp_path), []
    saved = pathlib.Path(config.workdir) / "two" / "checkpoints" / "supernet"
    try:
        primary, killed = start_two(flags, started)
        kill_once_saved(killed, saved, 2)
        status, said = finish(primary)
        assert status == 2 and "error: every process of the run must stay alive" in said and "Traceback" not in said, said

        killed, other = start_two(flags, started)
        kill_once_saved(killed, saved, 5)
        status, said = finish(other)
        assert status != 0, "a process must not go on without the primary"
        assert "every process of the run must stay alive" in said or "another task died" in said, said

        for process in start_two(flags, started):
            status, said = finish(process)
            assert status == 0, said
    finally:
        for process in started:
            process.kill()
            process.communicate()
    check_equal(weights_of(config, "two"), on_one_device)
    assert not saved.exists()


def test_help_teaches():
    _, said = finish(start(PROGRAM, "--help"))
    for words in ("--mesh_fsdp", "--coordinator=auto", "--process_id=0", "A run that is started again continues", "--plan=v5e:16x16"):
        assert words in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mesh_tensor=3"], "mesh axis tensor must divide the 8 devices, got tensor=3; use one of [1, 2, 4, 8]"),
        (["--mesh_data=2"], "the mesh must have all 8 devices, got 2"),
        (["--tokens_per_batch=32"], "rows of a batch must be at least the 8 devices on mesh axes data=8 and fsdp=1, got 5 rows of 6 tokens; use --tokens_per_batch=48"),
        (["--num_processes=2"], "coordinator must be given for num_processes=2"),
        (["--coordinator=127.0.0.1:1", "--num_processes=2", "--process_id=1", "--join_s=1"], "process 1 must meet the other 1 of 2 within join_s=1 s"),
        (["--coordinator=auto"], "coordinator must be an address that process 0 can wait at, or auto where the surroundings name it, got 'auto'"),
        (["--plan=v9:2x2"], "topology must be one of v4, v5e, v5p, v6e with a shape, got 'v9:2x2'"),
        (["--plan=v5e:2x2", "--process_id=0", "--join_s=5"], "plan must be made by one process, got ProcessConfig("),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_before_any_work(config, tmp_path, arguments, message):
    config = dataclasses.replace(config, workdir=str(tmp_path / "run"))
    status, said = finish(start(PROGRAM, *flags_of(config, tmp_path), *arguments, xla_flags=EIGHT_DEVICES))
    assert status == 2
    assert message in said and "Traceback" not in said, said
    assert not (tmp_path / "run").exists()
