"""The timer is the program that runs on a phone; here it runs on this machine, and under qemu, without adb."""

import subprocess

import pytest

from bertnas_jax.compiler import host_target
from bertnas_jax.compiler.targets import c_compiler, named_target
from bertnas_jax.export.c_library import LIBRARY_FILE, WEIGHTS_FILE, write_c_library
from bertnas_jax.latency.adb import Adb
from bertnas_jax.latency.c_model import compile_timer, measure_c_model, parse_runs
from tests.export.libraries import arm64_emulator, bert


def timed(folder, compiler, emulator=(), threads=1, runs=4):
    compile_timer(folder, compiler, folder / "time_model")
    command = [*emulator, folder / "time_model", folder / WEIGHTS_FILE, str(threads), "1", str(runs)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["host", "android-arm64"])
def test_every_run_is_timed(name, tmp_path):
    emulator = arm64_emulator() if name != "host" else ()
    target = named_target(name)
    write_c_library(bert(), [8], target, tmp_path / "c")
    done = timed(tmp_path / "c", c_compiler(target), emulator, threads=2)
    assert done.returncode == 0, done.stderr
    timing = parse_runs(done.stdout, 4)
    assert timing.runs == 4 and min(timing.samples_ms) > 0


@pytest.mark.slow
def test_weights_of_another_model_are_an_error(tmp_path):
    write_c_library(bert(), [8], host_target(), tmp_path / "c")
    (tmp_path / "c" / WEIGHTS_FILE).write_bytes(bytes(64))
    done = timed(tmp_path / "c", c_compiler(host_target()))
    assert done.returncode != 0 and "error:" in done.stderr and "us=" not in done.stdout


def test_missing_runs_are_refused():
    assert parse_runs("us=1500.000\nus=2500.000\n", 2).samples_ms == (1.5, 2.5)
    with pytest.raises(ValueError, match="must print 3 runs, got 1"):
        parse_runs("us=1500.000\nerror: no memory\n", 3)


def test_a_folder_without_a_library_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"must have {LIBRARY_FILE}"):
        measure_c_model(Adb("adb", "serial"), tmp_path, "", 1, 5, 1)
