"""Training on text without labels, whole but small: BERT-tiny, sentences made here; then a task begun from what it wrote."""

import dataclasses
import json
import pathlib
import random

import jax
import numpy as np
import pytest

from bertnas_jax.data import TaskSpec
from bertnas_jax.model import load_checkpoint, read_config
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import Supernet
from bertnas_jax.train import SpaceConfig, SupernetConfig, SupernetTrainConfig, TrainConfig, open_train_job, read_inputs
from bertnas_jax.train import settle_layers, share, starting_weights, supernet_stage, teacher_stage
from bertnas_jax.train.encoder import write_encoder
from bertnas_jax.train.relation_score import RelationScorer
from bertnas_jax.train.run import run
from tests.search.conftest import task_folder  # noqa: F401 (a fixture)
from tools import extract_encoder

RELATIONS = SupernetTrainConfig(learning_rate=5e-4, output_weight=0.0, attention_weight=1.0, value_weight=1.0)
SUBJECTS = "the old farmer,my sister,a tired engineer,their neighbour,the young doctor".split(",")
VERBS = "sold,painted,repaired,forgot,carried".split(",")
OBJECTS = "a wooden boat,the blue door,two heavy books,an expensive violin,the garden fence".split(",")
PLACES = "in the morning,after the storm,near the harbour,without a word,for a friend".split(",")


@pytest.fixture
def config(tmp_path):
    rng, corpus = random.Random(0), tmp_path / "corpus.txt"
    lines = (" ".join(map(rng.choice, (SUBJECTS, VERBS, OBJECTS, PLACES))) for _ in range(512))
    corpus.write_text("\n".join(lines), encoding="utf-8")
    return SupernetConfig(
        workdir=str(tmp_path / "text"),
        checkpoint="package:cognition",
        max_length=24,
        tokens_per_batch=512,
        max_buckets=1,
        importance_batches=2,
        num_random=0,
        task=TaskSpec(task=f"text:{corpus}", dev_share=0.15),
        space=SpaceConfig(depths=(1, 2), heads=(1, 2), ffns=(256, 512), keep="importance", keep_batches=1),
        supernet=RELATIONS,
    )


def relation_loss(job, teacher, weights, subnet):
    begun_with = starting_weights(job, teacher)
    return RelationScorer(Supernet(job.space, job.bert), weights, begun_with, job.feed, 16).relation_loss(subnet)


@pytest.mark.slow
def test_relations_are_learnt_an_interrupted_run_goes_on_and_a_task_begins_from_it(config, tmp_path, task_folder, monkeypatch):  # noqa: F811
    with monkeypatch.context() as patched:
        patched.setattr(share, "train_supernet", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(config)
    folder = pathlib.Path(config.workdir)
    kept = {name: (folder / name).stat().st_mtime_ns for name in ("layer_order.json", "rewiring.npz")}
    scores = run(config)
    assert kept == {name: (folder / name).stat().st_mtime_ns for name in kept}, "what was whole was measured again"
    assert scores["metric"] == "relation_agreement" and scores["teacher"] == 1.0
    assert 0.0 < scores["smallest"] < scores["largest"] <= 1.0
    assert not (folder / "teacher.json").exists() and json.loads((folder / "supernet.json").read_text()) == scores

    job = open_train_job(config)
    teacher = teacher_stage(job)
    job = settle_layers(job, teacher)
    begun_with, weights = starting_weights(job, teacher), supernet_stage(job, teacher)
    assert relation_loss(job, teacher, begun_with, job.space.largest) == pytest.approx(0.0, abs=1e-5)
    before, after = (relation_loss(job, teacher, one, job.space.smallest) for one in (begun_with, weights))
    assert after < 0.7 * before
    assert np.exp(-after) == pytest.approx(scores["smallest"])

    sizes = {"depth": 1, "hidden": None, "heads": 1, "ffn": 256}
    assert extract_encoder.run(config.workdir, tmp_path / "smallest", sizes) == job.space.smallest
    with pytest.raises(ValueError, match="subnet must be of the search space, got D128-H64-N2.2.2"):
        extract_encoder.run(config.workdir, tmp_path / "no", sizes | {"depth": 3, "heads": 2})
    labelled = dataclasses.replace(
        config,
        workdir=str(tmp_path / "task"),
        checkpoint=str(tmp_path / "smallest"),
        space=SpaceConfig(),
        supernet=SupernetTrainConfig(epochs=0.1),
        teacher=TrainConfig(epochs=6, learning_rate=5e-4),
        task=TaskSpec(task=str(task_folder)),
    )
    assert run(labelled)["teacher"] > 0.8  # the made-up sentences are easy; chance is 0.5
    check_encoder(labelled, tmp_path / "smallest", job.space.smallest)
    check_encoder(labelled, folder / "encoder", job.space.largest)


def check_encoder(labelled, encoder, subnet):
    fields = json.loads((encoder / "subnet.json").read_text())
    assert Subnet.from_fields(fields) == read_config(encoder).subnet == subnet and len(fields["kept_layers"]) == subnet.depth
    assert {path.name for path in encoder.iterdir()} >= {"model.safetensors", "tokenizer.json", "config.json"}
    assert read_inputs(dataclasses.replace(labelled, checkpoint=str(encoder))).bert.num_outputs == 2


@pytest.mark.slow
def test_an_encoder_has_no_classifier_and_any_task_gives_it_one(config, tmp_path):
    job = open_train_job(config)
    teacher = teacher_stage(job)
    job = dataclasses.replace(job, space=dataclasses.replace(job.space, keep_order=(1, 0)))
    write_encoder(job, starting_weights(job, teacher), job.space.smallest, tmp_path / "encoder")
    for outputs in (2, 5):
        bert = read_config(tmp_path / "encoder", num_outputs=outputs)
        assert bert.num_outputs == outputs and bert.pooling == "mean"
        assert load_checkpoint(tmp_path / "encoder", bert, jax.random.key(0)).head.classifier.kernel.shape == (128, outputs)
    assert json.loads((tmp_path / "encoder" / "subnet.json").read_text())["kept_layers"] == [1]


def test_relation_heads_that_do_not_fit_are_refused_before_any_work(config):
    hidden_alone = dataclasses.replace(RELATIONS, hidden_weight=1.0, attention_weight=0.0, value_weight=0.0, relation_heads=48)
    with pytest.raises(ValueError, match="relation_heads must divide the attention's channels, got 48"):
        read_inputs(dataclasses.replace(config, supernet=hidden_alone))


def test_an_encoder_of_unequal_blocks_is_refused_before_any_work(config):
    unequal = Subnet.uniform(2, 128, 2, 512)
    unequal = dataclasses.replace(unequal, layers=(unequal.layers[0], dataclasses.replace(unequal.layers[1], heads=1)))
    with pytest.raises(ValueError, match="the checkpoint must have equal blocks, got D128-H64-N2.1-F512.512"):
        config.space.space_of(unequal)
