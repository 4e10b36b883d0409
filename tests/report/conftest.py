import pathlib

import pytest

from bertnas_jax.report.read_run import read_run
from tests.report.run_folders import write_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> pathlib.Path:
    """A run folder that no test may change."""
    return write_run(tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="session")
def run(run_folder):
    return read_run(run_folder)
