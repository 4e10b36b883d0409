"""A run of this machine and a phone, real but small, whose search is compared with other samplers after it has ended; then its report."""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import jax
import pytest

from bertnas_jax.latency import KernelTable
from bertnas_jax.report import write_report
from bertnas_jax.report.deploy import deploy_steps
from bertnas_jax.report.read_run import read_run
from bertnas_jax.search.run import run
from bertnas_jax.search.winner_kernels import measured_kernels
from bertnas_jax.space import Subnet
from bertnas_jax.train import SupernetScorer
from tests.conftest import REPOSITORY
from tests.report.browser import check_opens
from tests.search.conftest import make_tiny_config

pytestmark = pytest.mark.slow
OTHERS = ("random", "evolution")
EVALUATIONS = 12  # of the 20 Subnets of the space, 8 of which are uniform


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def ended(tmp_path_factory, task_folder):
    """The folder of a run that was begun without other samplers, then asked for two, cut off in them and begun again; what was scored."""
    folder, scored = tmp_path_factory.mktemp("compared") / "run", []
    config = make_tiny_config(folder, task_folder)
    budget = dataclasses.replace(config.budget, limits=("pixel_4/1 large: 9",))
    config = dataclasses.replace(config, budget=budget, sampler=dataclasses.replace(config.sampler, evaluations=EVALUATIONS, corrections=0))
    compared = dataclasses.replace(config, sampler=dataclasses.replace(config.sampler, compare_samplers=OTHERS))
    on_part = SupernetScorer.on_part

    def counted(scorer, subnet):
        if len(scored) == EVALUATIONS + 1:  # the second that the search itself has not scored
            scored.append(None)
            raise Interrupted
        scored.append(subnet)
        return on_part(scorer, subnet)

    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("standard"), pytest.MonkeyPatch.context() as patched:
        patched.setattr(SupernetScorer, "on_part", counted)
        winner = run(config)["subnet"]
        with pytest.raises(Interrupted):
            run(compared)
        assert run(compared)["subnet"] == winner, "what a search is compared with does not change it"
        write_report(folder)
    scored.remove(None)
    return folder, scored


def evaluated(folder, name):
    return [Subnet.from_fields(row["subnet"]) for row in json.loads((folder / "search" / name).read_text())]


def test_others_have_as_many_evaluations_and_nothing_is_scored_twice(ended):
    folder, scored = ended
    own = evaluated(folder, "evaluated.json")
    found = {name: evaluated(folder, f"compared/{name}.json") for name in OTHERS}
    assert {len(set(subnets)) for subnets in found.values()} == {len(own)} == {EVALUATIONS}
    uniform = evaluated(folder, "uniform.json")
    assert all(subnets[: len(uniform)] == uniform for subnets in found.values())
    everything = set().union(own, *found.values())
    assert len(scored) == len(set(scored)) and set(scored) == everything
    by_subnet = {}
    for name in ("evaluated.json", *(f"compared/{other}.json" for other in OTHERS)):
        for row in json.loads((folder / "search" / name).read_text()):
            assert by_subnet.setdefault(json.dumps(row["subnet"]), row["accuracy"]) == row["accuracy"]


def test_the_kernels_of_the_winner_add_up_to_what_it_costs(ended):
    folder, _ = ended
    summary, table = json.loads((folder / "summary.json").read_text()), KernelTable.load(folder / "kernel_table.json")
    subnet = Subnet.from_fields(summary["subnet"])
    here, phone = json.loads((folder / "kernels.json").read_text())
    assert (here["source"], phone["source"]) == ("measured", "simulated")
    factor = json.loads((folder / "search" / "rounds.json").read_text())[-1]["factor"]
    assert sum(one["calls"] * one["us"] for one in here["kernels"]) / 1e3 == pytest.approx(factor * table.price_ms(subnet))
    assert sum(one["calls"] * one["us"] for one in phone["kernels"]) / 1e3 == pytest.approx(summary["budget"]["limits"][1]["winner_ms"])
    assert {one.kernel.split()[0] for one in measured_kernels(table, subnet, 1.0)} >= {"gemm", "attention", "rows", "overhead"}


def test_its_report_opens_in_a_browser(ended, tmp_path):
    folder, _ = ended
    check_opens(folder / "report.html", len(evaluated(folder, "evaluated.json")), curves=3, scratch=tmp_path / "browser")


@pytest.fixture
def steps(ended, tmp_path):
    """A copy of the run folder, and the code of its report by what it is for."""
    folder = tmp_path / "run"
    shutil.copytree(ended[0], folder)
    return folder, deploy_steps(read_run(folder))


def code_of(steps, start):
    return next(code for name, code in steps if name.startswith(start))


def test_the_python_of_the_report_runs_as_it_is_printed(steps):
    folder, told = steps
    script = code_of(told, "Python, TFLite") + "\n" + code_of(told, "Python, compiled by TVM")
    said = subprocess.run([sys.executable, "-c", script], cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    tflite, compiled = ([float(number) for number in re.findall(r"-?\d+\.\d+(?:e[-+]\d+)?", line)] for line in said.stdout.splitlines())
    assert len(tflite) == 2 and tflite == pytest.approx(compiled, abs=1e-4)


def test_the_c_of_the_report_runs_as_it_is_printed(steps):
    folder, told = steps
    lacks = [name for name in ("aarch64-linux-gnu-gcc", "qemu-aarch64-static") if shutil.which(name) is None]
    if lacks:
        pytest.skip(f"{' and '.join(lacks)} not installed: Debian's gcc-aarch64-linux-gnu and qemu-user-static")
    said = subprocess.run(code_of(told, "C, compiled for"), shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert len([float(line) for line in said.stdout.split()]) == 2


def test_what_needs_a_phone_names_flags_and_cores_that_there_are(steps):
    """Without a phone each command must end at just that."""
    folder, told = steps
    (folder / "benchmark_model").write_text("")
    command = shlex.split(code_of(told, "A pixel_4 by adb"))
    said = subprocess.run([sys.executable, *command[1:]], cwd=folder, env=_environment() | {"PATH": ""}, capture_output=True, text=True, check=False)
    assert said.returncode != 0 and "adb must be" in said.stderr + said.stdout, said.stderr


def test_the_search_of_the_report_goes_on_as_it_is_printed(steps):
    """In the run folder itself: it finds all stages whole."""
    folder, told = steps
    original = pathlib.Path(code_of(told, "The search again").partition("--workdir=")[2].split()[0])
    command = shlex.split(code_of(told, "The search again").replace(str(original), str(folder)))
    before = (folder / "winner.json").stat().st_mtime_ns
    said = subprocess.run([sys.executable, *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "winner" in said.stdout and (folder / "winner.json").stat().st_mtime_ns == before


def _environment():
    return os.environ | {"PYTHONPATH": str(REPOSITORY)}
