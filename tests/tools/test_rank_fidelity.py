"""The tool on a run that takes a minute, interrupted once; its statistics are tested in tests/benchmark."""

import json

import jax
import numpy as np
import pytest

from bertnas_jax.benchmark import trained_run as trained_run_module
from bertnas_jax.data import TaskSpec
from bertnas_jax.train import SpaceConfig, SupernetConfig, SupernetTrainConfig, TrainConfig
from bertnas_jax.train.run import run as train_run
from tests.search.conftest import task_folder  # noqa: F401 (a fixture)
from tools import flops_shares, rank_fidelity

BUDGET = TrainConfig(epochs=0.2, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""
    with jax.numpy_rank_promotion("raise"):
        yield


def test_a_folder_without_a_supernet_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="without config.json; run python -m bertnas_jax.train first"):
        rank_fidelity.run(str(tmp_path), 4, BUDGET, tmp_path)


def test_other_settings_than_the_records_are_refused(tmp_path):
    rank_fidelity.check_settings(tmp_path, {"seed": 0})
    rank_fidelity.check_settings(tmp_path, {"seed": 0})
    with pytest.raises(ValueError, match="settings must be those of the records"):
        rank_fidelity.check_settings(tmp_path, {"seed": 1})


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory, task_folder):  # noqa: F811
    """The configuration of a run whose supernet is trained."""
    folder = tmp_path_factory.mktemp("trained")
    config = SupernetConfig(
        workdir=str(folder / "run"),
        checkpoint="package:cognition",
        max_length=16,
        tokens_per_batch=256,
        importance_batches=0,
        task=TaskSpec(task=str(task_folder)),
        space=SpaceConfig(depths=(1, 2), hiddens=(128,), heads=(1, 2), ffns=(256, 512)),
        teacher=TrainConfig(learning_rate=5e-4, epochs=0.5),
        supernet=SupernetTrainConfig(learning_rate=5e-4, epochs=0.5),
    )
    train_run(config)
    return config


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(tmp_path, trained_run, monkeypatch):
    config = trained_run
    real, trained = trained_run_module.fine_tune, []

    def stop_at_the_third(model, *args):
        trained.append(model.config.subnet.describe())
        if len(trained) == 3:
            raise KeyboardInterrupt
        real(model, *args)

    monkeypatch.setattr(trained_run_module, "fine_tune", stop_at_the_third)
    # Scores of so short a training may all be the same, which it would refuse.
    perfect = rank_fidelity.rank_agreement(np.arange(4), np.arange(4), resamples=20)
    monkeypatch.setattr(rank_fidelity, "rank_agreement", lambda scores, truth: perfect)
    with pytest.raises(KeyboardInterrupt):
        rank_fidelity.run(config.workdir, 4, BUDGET, tmp_path)
    path = rank_fidelity.run(config.workdir, 4, BUDGET, tmp_path)
    assert trained[3] == trained[2] and len(trained) == 5
    result = json.loads(path.read_text())
    assert [row["subnet"] for row in result["subnets"]] == [*trained[:3], trained[4]]
    assert set(result["agreement_with_trained"]) == {"inherited", "parameters", "flops"}
    assert result["training"]["epochs"] == BUDGET.epochs and path.with_suffix(".png").stat().st_size > 1000


@pytest.mark.slow
def test_the_best_of_each_share_is_trained(tmp_path, trained_run):
    result = json.loads(flops_shares.run(trained_run.workdir, (0.9, 0.5), 6, BUDGET, tmp_path).read_text())
    assert [row["at_most"] for row in result["subnets"]] == ["0.9", "0.5"]
    for row in result["subnets"]:
        assert 0.75 * float(row["at_most"]) <= row["share"] <= float(row["at_most"])
        assert 0 <= row["trained"] <= 1 and row["scored"] >= 1
    with pytest.raises(ValueError, match="give a larger one"):
        flops_shares.run(trained_run.workdir, (0.9, 0.5, 0.01), 6, BUDGET, tmp_path)
