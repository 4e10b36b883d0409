"""Strictness for every test: no silent dtype promotion, no silent rank promotion, warnings are errors."""

import pathlib

import jax
import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


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
