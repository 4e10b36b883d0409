"""Compiled libraries timed on all devices of a key at once: a thread a device, and what a device that is lost was at is measured on another."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import gc
import pathlib
import sys
import threading
from collections.abc import Iterator, Sequence

import numpy as np

from bertnas_jax.latency.measure import Timing
from bertnas_jax.latency.rpc import DeviceError, connect_device, count_devices, measure_by_rpc, tracker_at

_TRIES = 3  # sessions that may break off under a library before that is given up


@dataclasses.dataclass(frozen=True)
class Devices:
    """All devices of a key at a tracker, and how long one may be kept."""

    tracker: str
    key: str
    session_s: float

    def count(self) -> int:
        """Raises DeviceError if there is none."""
        with tracker_at(self.tracker) as known:
            return count_devices(known, self.tracker, self.key)


def measure_on_all(devices: Devices, libraries: Sequence[pathlib.Path], inputs: Sequence[np.ndarray], threads: int, runs: int) -> Iterator[tuple[int, Timing]]:
    """The number of each library and its timing, as they are measured: as many at once as there are devices.

    Raises:
      FileNotFoundError: there is no such library.
      DeviceError: no device of the key is left, or it does not give that many threads.
      RuntimeError: sessions broke off under the same library three times.
    """
    asking = threading.Lock()
    with concurrent.futures.ThreadPoolExecutor(min(devices.count(), len(libraries))) as pool:
        numbers = {pool.submit(_measure, devices, library, inputs, threads, runs, asking): number for number, library in enumerate(libraries)}
        try:
            for done in concurrent.futures.as_completed(numbers):
                yield numbers[done], done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _measure(devices: Devices, library: pathlib.Path, inputs: Sequence[np.ndarray], threads: int, runs: int, asking: threading.Lock) -> Timing:
    for tried in range(1, _TRIES + 1):
        try:
            return measure_by_rpc(connect_device(devices.tracker, devices.key, devices.session_s, asking), library, inputs, threads, runs)[0]
        except (RuntimeError, OSError) as error:
            refusal, reason = type(error) if isinstance(error, (DeviceError, FileNotFoundError)) else None, str(error).strip()
        finally:
            gc.collect()  # TVM's virtual machine refers to itself: until it is collected the device would stay taken
        if refusal:
            raise refusal(reason)  # a new one: the other holds the frames of the session, and they the device
        print(f"{library}: a device of key {devices.key!r} was lost ({_last_line(reason)}); try {tried} of {_TRIES}", file=sys.stderr)
    raise RuntimeError(f"{library} must be measured in one session, got {_TRIES} that broke off, the last by: {_last_line(reason)}; look after the devices")


def _last_line(text: str) -> str:
    """Of what TVM tells of an error, the end says what it was."""
    return text.rpartition("\n")[2]
