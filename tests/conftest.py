"""Strictness for every test: no silent dtype promotion, no silent rank promotion, warnings are errors."""

import os
import pathlib

import hypothesis
import jax
import pytest

from tests.array_types import check_array_types

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

check_array_types()

# No test asserts on wall-clock time: an example may take as long as a machine that does other work needs.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

# Files that take minutes, the longest first.
LONGEST = (
    "search/test_run.py", "train/test_main.py", "search/test_other_samplers.py", "train/test_objective.py", "train/test_killed_run.py",
    "tools/test_compliance.py", "tools/test_host_simulator_error.py", "search/samplers/test_samplers.py", "train/test_supernet.py",
    "train/test_text_run.py",
)  # fmt: skip
# These programs run for less time than XLA takes to optimise them; without, it compiles three times as fast.
FAST_COMPILATION = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"


def pytest_configure(config):
    """XLA compiles fast, and what takes it a third of a second is kept for the next test, or the next program that one starts, that compiles the same."""
    os.environ["XLA_FLAGS"] = f"{FAST_COMPILATION} {os.environ.get('XLA_FLAGS', '')}"
    kept = {
        "jax_compilation_cache_dir": str(config.cache.mkdir("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.3,
        "jax_compilation_cache_max_size": 2_000_000_000,  # bytes; with a limit JAX locks the folder, which tests share
    }
    for name, value in kept.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


def pytest_collection_modifyitems(items):
    """The files of `LONGEST` first, where a process gets a file: begun last, one would be waited for alone."""
    begun = {REPOSITORY / "tests" / path: i for i, path in enumerate(LONGEST)}
    items.sort(key=lambda item: begun.get(item.path, len(begun)))


@pytest.fixture(autouse=True)
def strict_jax():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(scope="session")
def shared():
    """The folder of data and weights beside the repository, which users do not have."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: the folder of data sets that are not ours to ship")
    return SHARED
