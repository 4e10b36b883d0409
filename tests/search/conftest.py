"""A task folder and a checkpoint small enough that the whole job takes a minute."""

import random

import pytest

from bertnas_jax.model import resolve_checkpoint
from bertnas_jax.search.config import BudgetConfig, SamplerConfig, SearchConfig
from bertnas_jax.data import TaskSpec
from bertnas_jax.train import SpaceConfig, SupernetTrainConfig, TrainConfig

GOOD, BAD = "bright warm kind clever lovely", "dull cold rude stupid awful"


def _sentence(rng):
    words, label = (GOOD, "good") if rng.random() < 0.5 else (BAD, "bad")
    noun, first, second = rng.choice("film book song meal".split()), *rng.sample(words.split(), 2)
    return f"the {noun} was {first} and {second}\t{label}"


@pytest.fixture(scope="session")
def task_folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("task"), random.Random(0)
    for split, size in (("train", 256), ("dev", 64)):
        lines = "\n".join(_sentence(rng) for _ in range(size))
        (folder / f"{split}.tsv").write_text(f"sentence\tlabel\n{lines}\n")
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint():
    return resolve_checkpoint("package:cognition")  # BERT-tiny: 2 blocks of 128


@pytest.fixture
def tiny_config(tmp_path, task_folder):
    return make_tiny_config(tmp_path / "run", task_folder)


def make_tiny_config(workdir, task_folder):
    return SearchConfig(
        workdir=str(workdir),
        checkpoint="package:cognition",
        max_length=16,
        tokens_per_batch=256,
        measure_rounds=5,
        task=TaskSpec(task=str(task_folder)),
        space=SpaceConfig(depths=(1, 2), hiddens=(128,), heads=(1, 2), ffns=(256, 512), keep="importance", keep_batches=1),
        budget=BudgetConfig(seq_len=16, speedup_over_bert_base=20.0, fresh_processes=1),
        sampler=SamplerConfig(evaluations=4, population=2, dev_subset=32, finalists=2),
        teacher=TrainConfig(learning_rate=5e-4),
        supernet=SupernetTrainConfig(learning_rate=5e-4),
        winner=TrainConfig(learning_rate=2e-4),
    )
