"""Data sets read by the real package `datasets`, from folders laid out as on the hub."""

import json
import sys

import pytest

from bertnas_jax.data import TaskSpec
from bertnas_jax.data.hub import load_hub, parse_hub_name

CARD = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': sad
          '1': glad
---
"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Writes splits of (text, label) rows as a data set and returns the spec that loads it."""
    datasets = pytest.importorskip("datasets", reason="the extra [hub] is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def write(card=CARD, label_column="label", **splits):
        folder = tmp_path / "moods"
        folder.mkdir()
        (folder / "README.md").write_text(card)
        for split, labels in splits.items():
            rows = (json.dumps({"text": f"sentence {row}", "label": label}) for row, label in enumerate(labels))
            (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n")
        return TaskSpec(task=f"hub:{folder}/", text_column="text", label_column=label_column)

    return write


def test_names_split_at_the_last_slash():
    assert parse_hub_name("hub:nyu-mll/glue/sst2") == ("nyu-mll/glue", "sst2")
    assert parse_hub_name("hub:glue/sst2") == ("glue", "sst2")
    assert parse_hub_name("hub:someone/moods/") == ("someone/moods", "")
    assert parse_hub_name("hub:moods") == ("moods", "")
    with pytest.raises(ValueError, match="task must be hub:name/config"):
        parse_hub_name("hub:")


def test_label_names_keep_the_order_of_the_feature(hub):
    task = load_hub(hub(train=[0, 1, 1], validation=[1]))
    assert (task.label_names, task.train.labels.tolist(), task.dev.labels.tolist()) == (("sad", "glad"), [0, 1, 1], [1])
    assert task.train.first == ("sentence 0", "sentence 1", "sentence 2")


def test_plain_numbers_are_scores(hub):
    task = load_hub(hub(card="", train=[0.5, 2.0], validation=[1.5]))
    assert task.kind == "regression" and task.dev.labels.tolist() == [1.5]


def test_a_test_split_stands_in_and_that_is_said(hub, caplog):
    assert len(load_hub(hub(train=[0, 1], test=[1])).dev) == 1
    assert "scores are on its test split" in caplog.text


def test_missing_splits_and_columns_are_named(hub):
    with pytest.raises(ValueError, match="must have a split validation or dev or test, got .'train',."):
        load_hub(hub(train=[0, 1]))


def test_a_missing_column_is_named(hub):
    with pytest.raises(ValueError, match="must have the column 'mood', got .'text', 'label'."):
        load_hub(hub(label_column="mood", train=[0, 1], validation=[1]))


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install bertnas_jax\[hub\]"):
        load_hub(TaskSpec(task="hub:someone/moods/", text_column="text", label_column="label"))
