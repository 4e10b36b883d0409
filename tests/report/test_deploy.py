"""The commands of a report, of made-up runs; those of a real run are run in tests/search/test_other_samplers.py."""

import shlex

import pytest
from absl import flags

from bertnas_jax.flags import config_from_flags, define_flags
from bertnas_jax.latency.config import LatencyConfig
from bertnas_jax.report.deploy import deploy_steps
from bertnas_jax.report.read_run import read_run
from bertnas_jax.search import SearchConfig
from tests.report.run_folders import PHONE_FINALISTS, PHONE_LIMIT, for_phones, on_phone, write_run

LIBRARY = {"folder": "winner/android-arm64", "target": "android-arm64", "precision": "int8_fast", "note": "linked for glibc"}


def parsed(command, config_type):
    """The configuration that a printed command gives its program."""
    values = flags.FlagValues()
    define_flags(config_type, values)
    words = shlex.split(command)
    assert values(words[2:]) == [words[2]], "only flags"
    return config_from_flags(config_type, values)


def test_the_search_is_told_with_all_that_was_asked(run):
    command = deploy_steps(run)[-1][1]
    assert command.startswith("python -m bertnas_jax.search '--workdir=runs/of reviews'")
    assert parsed(command, SearchConfig) == run.config and "--evaluations" not in command


@pytest.mark.parametrize(("dtype", "file"), [("float32", "winner/model.tflite"), ("int8", "winner/model_int8.tflite")])
def test_a_run_for_a_phone_says_how_to_measure_what_its_limit_is_for(tmp_path, dtype, file):
    changes = for_phones(PHONE_LIMIT | {"dtype": dtype, "file": file}, library=LIBRARY)
    changes["latencies"] += [on_phone("winner", 25.0, dtype=dtype)]
    told = deploy_steps(read_run(write_run(tmp_path / "run", finalists=PHONE_FINALISTS, **changes)))
    config = parsed(next(code for name, code in told if name.startswith("A pixel_4 by adb")), LatencyConfig)
    assert (config.device, config.core_set, config.runtime, config.seq_len, config.adb) == ("pixel_4", "1 large", "tflite", 32, True)
    assert (config.dtype, config.model_file) == (dtype, file)


@pytest.mark.parametrize("folder", ["winner/android-arm64", None])
def test_a_library_is_for_what_it_was_compiled_for(tmp_path, folder):
    library = LIBRARY | {"folder": folder, "target": "android-arm64-nodot"}
    told = deploy_steps(read_run(write_run(tmp_path / "run", finalists=PHONE_FINALISTS, **for_phones(library=library))))
    exports = [line for _, code in told for line in code.splitlines() if "bertnas_jax.export" in line]
    assert len(exports) == (1 if folder else 2) and all("--target=android-arm64-nodot --precision=int8_fast" in line for line in exports)
    assert any(code.startswith("cd winner/android-arm64\n") for _, code in told) == bool(folder)


def test_kernels_for_a_gpu_are_where_they_were_written(tmp_path):
    library = {"folder": "winner/android-opencl", "target": "android-opencl", "precision": "float32", "note": "OpenCL C"}
    told = deploy_steps(read_run(write_run(tmp_path / "run", finalists=PHONE_FINALISTS, **for_phones(library=library))))
    assert [code for name, code in told if name.startswith("OpenCL, for the phone's GPU")] == ["python winner/android-opencl/run_model.py"]


def test_a_run_for_this_machine_has_nothing_for_phones_but_the_file(run):
    assert not any("adb" in code or "export" in code for _, code in deploy_steps(run))
