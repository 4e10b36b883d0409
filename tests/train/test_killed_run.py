"""A run that is killed at any moment and started again ends with the weights of one that was not, to the last bit."""

import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.train.killed_run import LOOK_EVERY, POINTS, SECOND_SAVE

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LAST_WHOLE = dict.fromkeys(POINTS, [LOOK_EVERY]) | {"before_any_is_whole": [], "between_saves": [SECOND_SAVE]}
LIMIT_S = 300


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Runs the program; what one process compiles the next ones read."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment = os.environ | cache | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(REPOSITORY)}

    def run(*arguments):
        command = [sys.executable, "-m", "tests.train.killed_run", *map(str, arguments)]
        return subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_S)

    return run


@pytest.fixture(scope="module")
def expected(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    done = program(folder, "never", folder / "weights.npz")
    assert done.returncode == 0, done.stderr
    return np.load(folder / "weights.npz")


def saved_steps(folder):
    return [int(path.name) for path in (folder / "checkpoints" / "supernet").iterdir() if path.name.isdecimal()]


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_it_ends_with_the_same_weights(program, expected, tmp_path, point):
    output = tmp_path / "weights.npz"
    killed = program(tmp_path, point, output)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not output.exists()
    if point != "after_save_was_called":  # where the write is a race that either may win
        assert saved_steps(tmp_path) == LAST_WHOLE[point]

    resumed = program(tmp_path, "never", output)
    assert resumed.returncode == 0, resumed.stderr
    found = np.load(output)
    for name in expected.files:
        np.testing.assert_array_equal(found[name], expected[name])
    left = [path.name for path in (tmp_path / "checkpoints" / "supernet").iterdir()]
    assert left == ["18"], "one whole checkpoint, and nothing half written"
