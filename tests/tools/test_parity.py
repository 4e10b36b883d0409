"""The tool on small Subnets in all three places, interrupted once."""

import json

import numpy as np
import pytest

from tests.export.libraries import arm64_emulator, needs_opencl
from tools import parity


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, most in {"MAX_TOKENS": 12, "MAX_DEPTH": 1, "MAX_HIDDEN": 40, "MAX_HEAD_DIM": 9, "MAX_HEADS": 3, "MAX_FFN": 50}.items():
        monkeypatch.setattr(parity, name, most)


@pytest.mark.slow
def test_a_comparison_goes_on_where_it_stopped(tmp_path, monkeypatch):
    real, compared = parity.compare, []

    def stop_at_the_second(place, number):
        compared.append((place, number))
        if len(compared) == 2:
            raise KeyboardInterrupt
        return real(place, number)

    monkeypatch.setattr(parity, "compare", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        parity.run({"host": 2}, tmp_path / "work", tmp_path)
    told = json.loads(parity.run({"host": 2}, tmp_path / "work", tmp_path).read_text())
    assert compared == [("host", 0), ("host", 1), ("host", 1)]
    assert told["largest_error"]["host"] == max(row["max_abs_err"] for row in told["subnets"]["host"]) <= parity.LIMIT


@pytest.mark.slow
@pytest.mark.parametrize(("place", "needed"), [("arm64", arm64_emulator), ("opencl", needs_opencl)])
def test_other_places_answer_as_jax_does(place, needed, tmp_path):
    needed()
    told = json.loads(parity.run({place: 2}, tmp_path / "work", tmp_path).read_text())
    assert told["largest_error"][place] <= parity.LIMIT
    assert max(row["largest_logit"] for row in told["subnets"][place]) > 0.2  # of a sentence that is not all padding


def test_a_wrong_answer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(parity.PLACES, "host", lambda model, seq_len, inputs: [np.full((1, model.config.num_outputs), np.nan)] * len(inputs))
    with pytest.raises(RuntimeError, match=r"errors must be at most 0.0001, got nan of D\d+.* on host; look at number 0"):
        parity.run({"host": 1}, tmp_path / "work", tmp_path)


def test_another_target_is_refused(tmp_path, monkeypatch):
    (tmp_path / "settings.json").write_text('{"target": "another"}')
    with pytest.raises(ValueError, match="settings must be those of the records"):
        parity.run({"host": 1}, tmp_path, tmp_path)
