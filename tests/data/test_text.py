"""Files of passages without labels."""

import pytest

from bertnas_jax.data import TaskSpec, load_task

PASSAGES = [f"passage number {row}" for row in range(400)]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "corpus.txt").write_text("\n".join(PASSAGES) + "\n\n", encoding="utf-8")
    return tmp_path / "corpus.txt"


def test_a_share_of_the_passages_is_set_aside(file):
    task = load_task(TaskSpec(task=f"text:{file}", dev_share=0.25))
    assert sorted(task.train.first + task.dev.first) == sorted(PASSAGES)
    assert 65 <= len(task.dev) <= 135  # 4 standard deviations of Binomial(400, 1/4): 1 in 16,000 texts would fail
    assert task.name == "corpus" and not task.has_labels and set(task.train.labels.tolist()) == {0}


def test_which_ones_does_not_hang_on_the_order_and_copies_stay_together(file, tmp_path):
    (tmp_path / "other.txt").write_text("\n".join([*reversed(PASSAGES), *PASSAGES]), encoding="utf-8")
    once, twice = (load_task(TaskSpec(task=f"text:{path}", dev_share=0.25)) for path in (file, tmp_path / "other.txt"))
    assert set(once.dev.first) == set(twice.dev.first) and len(twice.dev) == 2 * len(once.dev)


def test_several_files_a_folder_and_a_dev_file(file, tmp_path):
    (tmp_path / "second.txt").write_text("one more\r\n  \nand another\u2028with a line separator", encoding="utf-8")
    task = load_task(TaskSpec(task=f"text:{file},{tmp_path / 'second.txt'}", dev_file=str(file)))
    assert task.train.first == (*PASSAGES, "one more", "and another\u2028with a line separator") and task.dev.first == tuple(PASSAGES)
    assert load_task(TaskSpec(task=f"text:{tmp_path}", dev_file=str(file))).train.first == task.train.first


def test_limits_are_kept(file):
    task = load_task(TaskSpec(task=f"text:{file}", dev_share=0.25, max_train=7, max_dev=3))
    assert (len(task.train), len(task.dev)) == (7, 3)


def test_predictions_have_no_score(file):
    task = load_task(TaskSpec(task=f"text:{file}", dev_file=str(file)))
    with pytest.raises(ValueError, match="corpus must have labels to score predictions by"):
        task.score(task.train.labels[:, None].astype("float32"), task.train.labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "must hold a passage a line, got no text"), (b" \n\n", "got no text"), (b"fine\nnot \xff fine\n", "must be UTF-8, got byte 0xff")],
    ids=["empty", "blank", "not UTF-8"],
)
def test_broken_files_are_refused(tmp_path, content, message):
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_task(TaskSpec(task=f"text:{tmp_path / 'bad.txt'}"))


def test_too_little_text_for_two_splits_is_refused(file):
    file.write_text("only one\n")
    with pytest.raises(ValueError, match="must have passages for train and dev, got 1 and 0 by dev_share=0.02; set another dev_share"):
        load_task(TaskSpec(task=f"text:{file}"))


def test_missing_files_are_refused(file, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty must hold .txt files, got none"):
        load_task(TaskSpec(task=f"text:{tmp_path / 'empty'}"))
    with pytest.raises(FileNotFoundError, match="nowhere.txt must be a file"):
        load_task(TaskSpec(task="text:nowhere.txt"))
    with pytest.raises(ValueError, match="task must name a file after 'text:' and after each comma"):
        load_task(TaskSpec(task=f"text:{file},"))
