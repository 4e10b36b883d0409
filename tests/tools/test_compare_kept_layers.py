"""The tool on a teacher of two blocks, interrupted once; the order itself is tested in tests/train."""

import json

import jax
import pytest

from bertnas_jax.data import TaskSpec
from bertnas_jax.space import Subnet
from bertnas_jax.train import SupernetConfig, TrainConfig, open_train_job, teacher_stage
from bertnas_jax.train.layer_order import LayerOrder, Removal
from tests.search.conftest import task_folder  # noqa: F401 (a fixture)
from tools import compare_kept_layers

BUDGET = TrainConfig(epochs=0.3, learning_rate=5e-4)


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""
    with jax.numpy_rank_promotion("raise"):
        yield


def test_rules_by_depth():
    kept = compare_kept_layers.kept_by_rule(Subnet.uniform(4, 64, 4, 256), (1, 2), (3, 0, 1, 2))
    assert kept == {
        (1, "even"): (0,), (1, "first"): (0,), (1, "importance"): (3,),
        (2, "even"): (0, 2), (2, "first"): (0, 1), (2, "importance"): (0, 3),
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"depths must be less than the teacher's 4 blocks, got \(2, 4\)"):
        compare_kept_layers.kept_by_rule(Subnet.uniform(4, 64, 4, 256), (2, 4), (3, 0, 1, 2))


def test_a_folder_without_a_teacher_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="without config.json; run python -m bertnas_jax.train"):
        compare_kept_layers.run(str(tmp_path), (1,), BUDGET, tmp_path)


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(tmp_path, task_folder, monkeypatch):  # noqa: F811
    config = SupernetConfig(
        workdir=str(tmp_path / "run"),
        checkpoint="package:cognition",
        max_length=16,
        tokens_per_batch=256,
        max_buckets=1,
        task=TaskSpec(task=str(task_folder)),
        teacher=TrainConfig(learning_rate=5e-4),
    )
    teacher_stage(open_train_job(config))
    monkeypatch.setattr(compare_kept_layers, "find_layer_order", lambda *_: LayerOrder(0.1, (Removal(0, 0.2),)))
    real, trained = compare_kept_layers.fine_tune, []

    def stop_at_the_second(model, *args):
        trained.append(args[4])
        if len(trained) == 2:
            raise KeyboardInterrupt
        real(model, *args)

    monkeypatch.setattr(compare_kept_layers, "fine_tune", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        compare_kept_layers.run(config.workdir, (1,), BUDGET, tmp_path)
    path = compare_kept_layers.run(config.workdir, (1,), BUDGET, tmp_path)
    assert trained == ["blocks-0", "blocks-1", "blocks-1"]
    result = json.loads(path.read_text())
    assert [(row["keep"], row["kept_layers"]) for row in result["kept"]] == [("even", [0]), ("first", [0]), ("importance", [1])]
    even, first, importance = ([row["after_removal"], row["after_training"]] for row in result["kept"])
    assert even == first and all(0.0 <= score <= 1.0 for score in (*even, *importance))
    assert result["importance"]["keep_order"] == [1, 0] and result["teacher"] > 0.8
    with pytest.raises(ValueError, match="settings must be those of the records"):
        compare_kept_layers.run(config.workdir, (1,), TrainConfig(epochs=0.5), tmp_path)
