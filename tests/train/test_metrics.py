"""The events of a run, read back by TensorFlow's reader, which shares no code with their writer."""

import collections

import pytest

from bertnas_jax.train import loop
from tests.train.conftest import make_tiny_feed
from tests.train.toy_run import train_toy


def events_of(folder):
    """{tag: {step: value}} as TensorBoard shows it: a session's start purges what was written of its step and later ones."""
    tensorflow = pytest.importorskip("tensorflow")
    shown = collections.defaultdict(dict)
    for path in sorted(folder.iterdir()):
        for event in tensorflow.compat.v1.train.summary_iterator(str(path)):
            if event.session_log.status == event.session_log.START:
                shown = collections.defaultdict(
                    dict, {tag: {step: value for step, value in of.items() if step < event.step} for tag, of in shown.items()}
                )
            for value in event.summary.value:
                assert event.step not in shown[value.tag], "a step is told once"
                shown[value.tag][event.step] = value.simple_value
    return dict(shown)


def test_the_figures_of_a_run(tmp_path):
    train_toy(tmp_path)
    events = events_of(tmp_path / "metrics" / "toy")
    assert set(events) == {
        "loss/train", "gradient_norm", "learning_rate", "tokens_per_second", "steps_per_second", "pad_share",
    }  # fmt: skip
    assert all(list(of) == [20, 40, 50] for of in events.values())
    assert events["loss/train"][50] < events["loss/train"][20]
    assert events["learning_rate"] == pytest.approx({20: 0.1, 40: 0.1, 50: 0.1})

    batches = list(make_tiny_feed().train_batches(0, 20))
    real = sum((batch.attention_mask * batch.weight[:, None]).sum() for batch in batches)
    slots = sum(batch.input_ids.size for batch in batches)
    assert events["pad_share"][20] == pytest.approx(1 - real / slots)
    assert events["tokens_per_second"][20] / events["steps_per_second"][20] == pytest.approx(real / 20, rel=1e-5)


def test_a_resumed_run_tells_each_step_once(tmp_path, monkeypatch):
    """It is stopped after step 40 was told and before it was saved, so that 40 is told again."""
    monkeypatch.setattr(loop, "_check_state", _stop_at(loop._check_state, 40))
    with pytest.raises(KeyboardInterrupt):
        train_toy(tmp_path)
    assert list(events_of(tmp_path / "metrics" / "toy")["loss/train"]) == [20, 40]
    monkeypatch.undo()
    train_toy(tmp_path)
    train_toy(tmp_path / "whole")
    resumed, whole = (events_of(folder / "metrics" / "toy") for folder in (tmp_path, tmp_path / "whole"))
    assert sorted(resumed["loss/train"]) == [20, 40, 50]
    assert resumed["loss/train"] == whole["loss/train"]


def _stop_at(real, step):
    def check(run, state, number, saved):
        real(run, state, number, saved)
        if number + 1 == step:
            raise KeyboardInterrupt

    return check


def test_only_the_primary_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("bertnas_jax.train.metrics.is_primary", lambda: False)
    train_toy(tmp_path)
    assert not (tmp_path / "metrics").exists()


def test_the_bar_shows_loss_and_tokens_per_second(tmp_path, capsys):
    train_toy(tmp_path, steps=20)
    shown = capsys.readouterr().err
    assert "20/20" in shown and "loss=" in shown and "tokens_per_s=" in shown
