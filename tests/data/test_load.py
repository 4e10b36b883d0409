import numpy as np
import pytest

from bertnas_jax.data import Examples, TaskSpec, load_task
from bertnas_jax.data.load import sample

ROWS = "".join(f"sentence {row}\t{row % 2}\n" for row in range(40))


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "dev"):
        (tmp_path / f"{split}.tsv").write_text("sentence\tlabel\n" + ROWS, encoding="utf-8")
    return str(tmp_path)


def test_limits_are_kept_and_repeatable(folder):
    spec = TaskSpec(task=folder, max_train=10, max_dev=5)
    task, again = load_task(spec), load_task(spec)
    assert (len(task.train), len(task.dev)) == (10, 5)
    assert task.train.first == again.train.first
    assert set(task.train.labels.tolist()) == {0, 1}


def test_a_smaller_sample_is_part_of_a_larger():
    examples = Examples(tuple(str(row) for row in range(50)), None, np.arange(50, dtype=np.int32))
    assert sample(examples, 20).first[:7] == sample(examples, 7).first
    assert sample(examples, 0) is sample(examples, 99) is examples


def test_named_columns_read_the_folder_as_a_table(folder):
    task = load_task(TaskSpec(task=folder, text_column="sentence", label_column="label"))
    assert len(task.train) == 40


def test_the_metric_asked_for_replaces_the_tasks_own(folder):
    assert load_task(TaskSpec(task=folder)).metric == "accuracy"
    assert load_task(TaskSpec(task=folder, metric="matthews")).metric == "matthews"


def test_refuses_what_the_task_is_not(folder, tmp_path):
    with pytest.raises(ValueError, match="must be loaded as the classification it is, got kind=regression"):
        load_task(TaskSpec(task=folder, kind="regression"))
    with pytest.raises(ValueError, match="metric of a classification"):
        load_task(TaskSpec(task=folder, metric="pearson"))
    with pytest.raises(FileNotFoundError, match="task must be 'demo', hub:name/config, text:FILE, a folder"):
        load_task(TaskSpec(task=str(tmp_path / "none")))
