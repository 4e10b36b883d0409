"""A compiled library timed on a device that a TVM RPC tracker knows."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import time
from collections.abc import Iterator, Sequence

import numpy as np
import tvm
from tvm import relax, rpc

from bertnas_jax.compiler.length_buckets import LENGTHS, function_of, least_length
from bertnas_jax.latency.measure import Timing

# Source: tvm/runtime/threading_backend.h, ThreadGroup::AffinityMode::kBig: threads on the fastest cores first.
_FASTEST_CORES = 1
_REACH_S = 5.0  # TVM itself would try again for a minute
_POLL_S = 0.2  # between looks whether a device is free


class DeviceError(RuntimeError):
    """A device that is not there or not as it must be; what a session that breaks off raises is another RuntimeError."""


def parse_tracker(text: str) -> tuple[str, int]:
    """Host and port of "host:port".

    Raises:
      ValueError: it is not that.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"tracker must be host:port, got {text!r}; e.g. 192.168.1.5:9190")
    return host, int(port)


def connect_device(tracker: str, key: str, session_s: float, asking: contextlib.AbstractContextManager | None = None) -> rpc.RPCSession:
    """A session on the next device of that key that is free, which ends after `session_s`.

    Threads that share the devices ask in turn, by a lock `asking`: a tracker would have the last of two wait though no device is left.

    Raises:
      ValueError: `tracker` is not host:port.
      DeviceError: the tracker cannot be reached, or has no device of that key.
    """
    while True:
        with asking or contextlib.nullcontext(), tracker_at(tracker) as known:
            count_devices(known, tracker, key)
            if known.summary()["queue_info"].get(key, {"free": 0})["free"]:
                return known.request(key, session_timeout=session_s, max_retry=1)
        time.sleep(_POLL_S)


@contextlib.contextmanager
def tracker_at(tracker: str) -> Iterator[rpc.TrackerSession]:
    """What the tracker knows.

    Raises:
      ValueError: `tracker` is not host:port.
      DeviceError: it cannot be reached.
    """
    address = parse_tracker(tracker)
    try:
        socket.create_connection(address, _REACH_S).close()
    except OSError as error:
        cure = f"start it: python -m tvm.exec.rpc_tracker --port={address[1]}"
        raise DeviceError(f"the tracker must be reachable at {tracker}, got {error}; {cure}") from error
    with contextlib.closing(rpc.connect_tracker(*address)) as known:
        known._sock.settimeout(_REACH_S)  # of a device that is lost just now a request would wait for ever; TVM has no knob for it
        yield known


def count_devices(known: rpc.TrackerSession, tracker: str, key: str) -> int:
    """How many devices of that key there are, free or not.

    Raises:
      DeviceError: there is none.
    """
    keys = [server["key"].removeprefix("server:") for server in known.summary()["server_info"]]
    if key not in keys:
        cure = f"on the device: python -m tvm.exec.rpc_server --tracker={tracker} --key={key}"
        raise DeviceError(f"key must be of a device at {tracker}, which has {sorted(set(keys))}, got {key!r}; {cure}")
    return keys.count(key)


def measure_by_rpc(
    session: rpc.RPCSession, library: pathlib.Path, inputs: Sequence[np.ndarray], threads: int, runs: int = 30
) -> tuple[Timing, np.ndarray]:
    """The timing on the device, by its own clock and without the network, and its logits [1, C].

    `library` is what `CompiledModel.save` wrote for the device's CPU; `inputs` are int32 [1, L] ids, mask and token types. With
    nothing to compare with, the runs are their own reference.

    Raises:
      FileNotFoundError: there is no such library.
      DeviceError: the device does not give that many threads.
      RuntimeError: the session breaks off.
    """
    library = pathlib.Path(library)
    if not library.is_file():
        raise FileNotFoundError(f"a compiled model must be a file, got {library}; write it with CompiledModel.save")
    session.get_function("runtime.config_threadpool")(_FASTEST_CORES, threads)
    if (given := int(session.get_function("runtime.NumThreads")())) != threads:
        raise DeviceError(f"threads must be as many as the device gives, got {threads} where it gives {given}; use {given}")
    session.upload(bytearray(library.read_bytes()), library.name)  # of a path, TVM would leave the file open
    device = session.cpu()
    machine = relax.VirtualMachine(session.load_module(library.name), device)
    function, inputs = _entry(machine, inputs)
    machine.set_input(function, *(tvm.runtime.tensor(array, device) for array in inputs))
    machine.invoke_stateful(function)
    logits = machine.get_outputs(function).numpy()
    results = machine.time_evaluator("invoke_stateful", device, number=1, repeat=runs)(function).results
    samples_ms = tuple(seconds * 1e3 for seconds in results)
    return Timing(samples_ms, samples_ms), logits


def _entry(machine: relax.VirtualMachine, inputs: Sequence[np.ndarray]) -> tuple[str, list[np.ndarray]]:
    """The function for inputs of this length, and the inputs as it takes them."""
    arrays = [np.asarray(array, np.int32) for array in inputs]
    if not machine.module.implements_function(LENGTHS):
        return "main", arrays
    machine.set_input(LENGTHS)  # none, but it must be said
    machine.invoke_stateful(LENGTHS)
    lengths = tuple(map(int, machine.get_outputs(LENGTHS).numpy()))
    length = least_length(lengths, arrays[1])
    return function_of(length), [array[:, :length] for array in arrays]
