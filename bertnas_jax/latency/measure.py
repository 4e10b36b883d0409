"""Latencies of several models measured side by side, so that a noisy machine treats them alike.

The same product can take twice as long a minute later: what is compared is run in turn, with a
reference in each round, and the ratio to the reference of the same round is the steadiest figure.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
from tqdm import tqdm

_DRIFT_PARTS = 4  # enough to see a trend, few enough that each part has a median to speak of


@dataclasses.dataclass(frozen=True)
class Timing:
    """The samples of one runner and those of the reference in the same rounds, in milliseconds."""

    samples_ms: tuple[float, ...]
    reference_ms: tuple[float, ...]

    @property
    def runs(self) -> int:
        return len(self.samples_ms)

    @property
    def median_ms(self) -> float:
        return float(np.median(self.samples_ms))

    @property
    def p90_ms(self) -> float:
        return float(np.percentile(self.samples_ms, 90))

    @property
    def ratio(self) -> float:
        """The median over rounds of sample / reference of that round."""
        return float(np.median(np.divide(self.samples_ms, self.reference_ms)))

    def over(self, other: Timing) -> float:
        """The median over rounds of sample / the other's sample of that round, of one measurement."""
        return float(np.median(np.divide(self.samples_ms, other.samples_ms)))

    @property
    def reference_drift(self) -> float:
        """Slowest over fastest median of the reference among quarters of the run: 1 on a steady machine."""
        parts = np.array_split(np.array(self.reference_ms), min(_DRIFT_PARTS, self.runs))
        medians = [float(np.median(part)) for part in parts]
        return max(medians) / min(medians)


def measure_interleaved(
    runners: Mapping[str, Callable[[], object]],
    reference: str,
    rounds: int = 30,
    warmup: int = 3,
    progress: bool = True,
    clock: Callable[[], float] = time.perf_counter,
    settle_s: float = 0.0,
    busy_s: float = 0.0,
    in_turn: int = 1,
) -> dict[str, Timing]:
    """The timing of every runner, the reference among them: each round runs all, the reference last.

    In its turn a runner runs once untimed, then `in_turn` times that count. With several threads more must come before it: a sleep of
    `settle_s`, for the threads of the runner before spin a while before they sleep and would take cores from this one's; then
    untimed runs for at least `busy_s`, for a virtual machine's cores may be put on one real core when they wake, until they
    have been busy for a while (seen as all runners, and a loop of FMAs, at half their rate).

    `warmup` rounds come first and are dropped. `clock` returns seconds: wall time, or
    `time.thread_time` for single-threaded runners on a machine shared with others.

    Raises:
      ValueError: `reference` is not a runner, or there is no round.
    """
    if reference not in runners:
        raise ValueError(f"reference must be one of the runners {tuple(runners)}, got {reference!r}; name one of them")
    if rounds < 1 or warmup < 0 or in_turn < 1:
        raise ValueError(f"rounds must be at least 1, in_turn 1 and warmup 0, got rounds={rounds}, in_turn={in_turn}, warmup={warmup}; use 30, 1 and 3")
    order = [name for name in runners if name != reference] + [reference]
    samples: dict[str, list[float]] = {name: [] for name in order}
    bar = tqdm(range(warmup + rounds), desc="measuring", unit="round", file=sys.stderr, disable=not progress)
    for number in bar:
        for name in order:
            time.sleep(settle_s)
            _run_for(busy_s, runners[name], clock)  # untimed: the timed run finds the caches as its own last run left them
            elapsed_ms = [_time_ms(runners[name], clock) for _ in range(in_turn)]
            if number >= warmup:
                samples[name] += elapsed_ms
    return {name: Timing(tuple(samples[name]), tuple(samples[reference])) for name in runners}


def _run_for(seconds: float, runner: Callable[[], object], clock: Callable[[], float]) -> None:
    """Runs it once, and again until the time is over."""
    start = clock()
    runner()
    while clock() - start < seconds:
        runner()


def _time_ms(runner: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    runner()
    return (clock() - start) * 1e3
