"""The step of a plan is the one that training runs with the same configuration."""

import dataclasses

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh

from bertnas_jax.data import TaskSpec
from bertnas_jax.space import Subnet, Vocabulary, count_parameters
from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train import SpaceConfig, SupernetConfig, SupernetTrainConfig, train_supernet
from bertnas_jax.train.hlo_cost import cost_of
from bertnas_jax.train.mesh import MeshConfig, make_mesh
from bertnas_jax.train.planned_step import PUBLISHED, PlannedStep, published_runs, read_planned_step
from bertnas_jax.train.step import TrainState
from tests.train.conftest import QUICK, TINY

LENGTH, TOKENS = 10, 64  # those of the tiny feed's longest batches
BASE, LARGE = published_runs("v5e:16x16")


def planned(training, num_random):
    config = SupernetConfig(max_length=LENGTH, tokens_per_batch=TOKENS, num_random=num_random, supernet=training)
    return PlannedStep(config, TINY, QUICK, regression=False)


def shapes(lowered):
    return jax.tree.map(lambda info: (info.shape, str(info.dtype)), lowered.args_info)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("training", "num_random"),
    [
        (SupernetTrainConfig(compute_dtype="bfloat16"), 1),
        (SupernetTrainConfig(label_weight=1.0, hidden_weight=1.0), 0),
        (SupernetTrainConfig(distill_from="largest"), 0),
        (SupernetTrainConfig(output_weight=0.0, attention_weight=1.0, value_weight=1.0, relation_heads=8), 2),
    ],
    ids=["bfloat16", "labels and hidden states", "in place", "relations"],
)
def test_the_planned_step_is_the_trained_one(monkeypatch, tmp_path, tiny_feed, tiny_model, training, num_random):
    trained = []

    def lower(mesh, subnet, run, parameters, optimizer):
        batch = next(batch for batch in run.batches(run.part) if batch.input_ids.shape[1] == LENGTH)
        trained.append(run.step.lower(TrainState(parameters, optimizer.init(parameters)), *run.args_of(0, batch)))
        return parameters

    monkeypatch.setattr("bertnas_jax.train.supernet.train_on", lower)
    logits = np.zeros((len(tiny_feed.train), 2), np.float32)
    train_supernet(Supernet(QUICK, TINY), share_weights(tiny_model), tiny_feed, logits, training, num_random, tmp_path, seed=0)
    found = planned(training, num_random).lower(make_mesh(MeshConfig(), jax.devices()[:1]))
    assert shapes(found) == shapes(trained[0])
    assert found.cost_analysis()["flops"] == pytest.approx(trained[0].cost_analysis()["flops"], rel=1e-3)  # schedules are of other lengths
    assert ("bf16" in found.as_text()) == ("bf16" in trained[0].as_text()) == (training.compute_dtype == "bfloat16")


@pytest.mark.slow
def test_the_planned_step_compiles_and_is_priced():
    compiled = planned(SupernetTrainConfig(), 0).lower(make_mesh(MeshConfig(), jax.devices()[:1])).compile()
    assert cost_of(compiled.as_text(), most_trips=2).collective_bytes == ()
    assert compiled.memory_analysis().argument_size_in_bytes > 3 * 4 * count_parameters(TINY.subnet, TINY.vocabulary)


def test_rows_are_those_of_the_tokens_and_what_makes_them_divide():
    step = planned(SupernetTrainConfig(), 0)
    assert step.rows(AbstractMesh((1, 1, 1), ("data", "fsdp", "tensor"))) == 6
    assert step.rows(AbstractMesh((2, 2, 2), ("data", "fsdp", "tensor"))) == 8
    with pytest.raises(ValueError, match="at least the 8 devices on .* got 6 rows of 10 tokens; use --tokens_per_batch=80"):
        step.rows(AbstractMesh((8, 1, 1), ("data", "fsdp", "tensor")))


def test_flops_are_six_a_weight_and_token_and_those_of_attention():
    step = read_planned_step(BASE)
    weights = count_parameters(Subnet.uniform(12, 768, 12, 3072), Vocabulary(30522)) - (30522 + 514) * 768
    attention = 3 * 12 * 4 * 128 * 768  # a token's scores and mixing, forward and twice backward
    assert step.model_flops(64) == pytest.approx(4 * 64 * 128 * (6 * weights + attention), rel=0.01)  # elementwise operations: below 1 %
    with_states = dataclasses.replace(BASE, supernet=SupernetTrainConfig(hidden_weight=1.0))
    assert read_planned_step(with_states).model_flops(64) == step.model_flops(64) * 13 // 12  # and the teacher forward


def test_a_published_run_has_sixteen_rows_a_chip():
    assert (BASE.tokens_per_batch, BASE.max_length) == (16 * 256 * 128, 128)
    assert read_planned_step(LARGE).space.largest == PUBLISHED["google-bert/bert-large-uncased"].subnet


def test_the_task_and_the_space_are_those_of_the_flags(tmp_path):
    (tmp_path / "train.csv").write_text("sentence,label\na,0.5\nb,1.5\nc,2.5\n")
    (tmp_path / "dev.csv").write_text("sentence,label\na,0.5\nb,1.5\n")
    task = TaskSpec(task=str(tmp_path), text_column="sentence", label_column="label")
    step = read_planned_step(dataclasses.replace(BASE, task=task, pooling="cls", space=SpaceConfig((3, 12), keep="importance")))
    assert step.regression and (step.bert.num_outputs, step.bert.pooling) == (1, "cls")
    assert step.space.depths == (3, 12) and not step.space.lacks_order


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"task": TaskSpec(task="nowhere")}, FileNotFoundError, "task must be .*got 'nowhere'"),
        ({"space": SpaceConfig(depths=(13,))}, ValueError, "depths must not exceed the checkpoint's 12"),
        ({"supernet": SupernetTrainConfig(value_weight=1.0, relation_heads=11)}, ValueError, "relation_heads must divide"),
        ({"checkpoint": "./nowhere"}, ValueError, "checkpoint must be a folder"),
    ],
)
def test_what_training_would_refuse_is_refused(changed, error, message):
    with pytest.raises(error, match=message):
        read_planned_step(dataclasses.replace(BASE, **changed))
