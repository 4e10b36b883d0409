import pytest

from bertnas_jax.latency import Timing, measure_interleaved


class FakeClock:
    """A clock that only runners move, in seconds."""

    def __init__(self):
        self.now_s = 0.0
        self.order = []

    def __call__(self):
        return self.now_s

    def runner(self, name, *durations_ms):
        """A runner that takes these times in turn, the last one from then on."""
        remaining = list(durations_ms)

        def run():
            self.order.append(name)
            self.now_s += (remaining.pop(0) if len(remaining) > 1 else remaining[0]) / 1e3

        return run


def test_the_reference_ends_every_round():
    clock = FakeClock()
    runners = {"r": clock.runner("r", 1), "a": clock.runner("a", 2), "b": clock.runner("b", 3)}
    timings = measure_interleaved(runners, "r", rounds=2, warmup=1, progress=False, clock=clock)
    assert clock.order == ["a", "a", "b", "b", "r", "r"] * 3
    assert list(timings) == ["r", "a", "b"]
    assert {name: (timing.runs, round(timing.median_ms, 6)) for name, timing in timings.items()} == {"r": (2, 1), "a": (2, 2), "b": (2, 3)}


def test_a_ratio_is_of_the_same_round():
    """The machine is half as fast in the second round: ratios of rounds are 2, 2 and 4, that of medians is 3."""
    slow, fast = Timing((4.0, 8.0, 6.0), (1.0, 1.0, 1.0)), Timing((2.0, 4.0, 1.5), (1.0, 1.0, 1.0))
    assert slow.over(fast) == 2.0 and fast.over(slow) == 0.5


def test_every_turn_begins_rested(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr("time.sleep", lambda seconds: clock.order.append(seconds))
    runners = {"a": clock.runner("a", 1), "b": clock.runner("b", 1)}
    measure_interleaved(runners, "b", rounds=1, warmup=1, progress=False, clock=clock, settle_s=0.25)
    assert clock.order == [0.25, "a", "a", 0.25, "b", "b"] * 2


def test_every_turn_is_busy_before_it_counts():
    clock = FakeClock()
    runners = {"a": clock.runner("a", 100), "b": clock.runner("b", 400)}
    measure_interleaved(runners, "b", rounds=1, warmup=0, progress=False, clock=clock, busy_s=0.25)
    assert clock.order == ["a", "a", "a", "a", "b", "b"]


def test_a_turn_may_hold_several_timed_runs():
    clock = FakeClock()
    runners = {"a": clock.runner("a", 9, 1, 2, 9, 3, 4), "b": clock.runner("b", 10)}
    timings = measure_interleaved(runners, "b", rounds=2, warmup=0, progress=False, clock=clock, in_turn=2)
    assert clock.order == ["a", "a", "a", "b", "b", "b"] * 2
    assert timings["a"].samples_ms == pytest.approx((1, 2, 3, 4)) and timings["a"].runs == timings["b"].runs == 4


def test_warmup_is_dropped():
    clock = FakeClock()
    timings = measure_interleaved({"a": clock.runner("a", 100, 100, 5)}, "a", rounds=3, warmup=2, progress=False, clock=clock)
    assert timings["a"].samples_ms == pytest.approx((5, 5, 5))


def test_the_ratio_withstands_a_slow_minute():
    """The machine is half as fast in the second half: medians of time move, the ratio does not."""
    timing = Timing((2.0,) * 5 + (4.0,) * 6, (1.0,) * 5 + (2.0,) * 6)
    assert timing.ratio == 2
    assert timing.median_ms == 4
    assert timing.reference_drift == 2


def test_a_steady_reference_has_no_drift():
    assert Timing((3.0,), (1.0,)).reference_drift == 1
    assert Timing((3.0,) * 9, (1.0,) * 9).reference_drift == 1


def test_p90():
    assert Timing(tuple(map(float, range(1, 12))), (1.0,) * 11).p90_ms == 10


def test_progress_goes_to_stderr(capsys):
    clock = FakeClock()
    measure_interleaved({"a": clock.runner("a", 1)}, "a", rounds=2, warmup=0, clock=clock)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "measuring" in printed.err


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="reference must be one of the runners"):
        measure_interleaved({"a": lambda: None}, "b")
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        measure_interleaved({"a": lambda: None}, "a", rounds=0)
