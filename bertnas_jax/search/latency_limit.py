"""One latency limit of a budget: where it counts and how much it allows, from text such as "pixel_4/1 large/tflite/float32: 30"."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

from bertnas_jax.latency.devices import GPU, HOST, CoreSet, core_set, described_devices, load_profile, loads_our_libraries
from bertnas_jax.latency.simulate import Setting, runtime_on
from bertnas_jax.latency.simulate.gpu_roofline import gpu_of
from bertnas_jax.latency.simulate.machine import check_dtype
from bertnas_jax.search.config import PRECISIONS, BudgetConfig

_FORM = "DEVICE/CORES/RUNTIME/DTYPE/TOKENS: MS"
_EXAMPLE = '--limits="pixel_4/1 large/tflite/float32: 30"'
_HOST_CORES = re.compile(r"(\d+)\s*threads?")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where and as what a model runs, batch 1; `cores` is a core set of the device, "gpu", or "2 threads" of the host."""

    device: str
    cores: str
    runtime: str
    dtype: str
    threads: int
    seq_len: int

    @property
    def is_host(self) -> bool:
        return self.device == HOST

    @property
    def setting(self) -> Setting:
        """What is simulated there."""
        return Setting(load_profile(self.device), self.cores, self.runtime, self.dtype, self.seq_len)

    @property
    def active_watts(self) -> float | None:
        """What its cores draw while all are busy; None for a GPU, for the host and where nobody measured it."""
        return None if self.is_host or self.cores == GPU else core_set(load_profile(self.device), self.cores).active_watts

    def energy_mj(self, latency_ms: float) -> float | None:
        """What a run of that long takes with all cores busy to its end, in mJ = ms x W; None where the power is not known."""
        watts = self.active_watts
        return None if watts is None else latency_ms * watts

    def describe(self) -> str:
        return f"{self.device}, {self.cores}, {self.runtime} {self.dtype}, {self.seq_len} tokens"


@dataclasses.dataclass(frozen=True)
class LatencyLimit:
    """A latency that must not be exceeded at a place: in ms or, where that is 0, by a factor over BERT-base on TFLite there.

    Where `energy_mj` is not 0, that was asked for, and `latency_ms` is how long its cores may be busy for it.
    """

    place: Place
    latency_ms: float
    speedup_over_bert_base: float = 0.0
    energy_mj: float = 0.0

    @property
    def asked_energy(self) -> str:
        """` (20 mJ)` where that was asked for."""
        return f" ({self.energy_mj:g} mJ)" if self.energy_mj else ""


def limits_of(budget: BudgetConfig) -> tuple[LatencyLimit, ...]:
    """The limits of a budget, that of --latency_ms or --speedup_over_bert_base first.

    Raises:
      ValueError: a text is no limit, names what there is not, or there are two for one place or for the host.
    """
    limits = [parse_limit(text, budget.seq_len, budget.precision) for text in budget.limits]
    if budget.latency_ms > 0 or budget.speedup_over_bert_base > 0:
        limits.insert(0, LatencyLimit(host_place(budget.threads, budget.seq_len, budget.precision), budget.latency_ms, budget.speedup_over_bert_base))
    places = [limit.place for limit in limits]
    for place in places:
        if places.count(place) > 1:
            raise ValueError(f"limits must be of different places, got two for {place.describe()}; leave one out")
    hosts = [place for place in places if place.is_host]
    if len(hosts) > 1:
        raise ValueError(
            f"limits must have at most one of the host, got {' and '.join(place.cores for place in hosts)}; "
            "the threads of a process stay on the cores they began with: search once for each"
        )
    for place in hosts:
        if place.seq_len != budget.seq_len:
            raise ValueError(
                f"a limit of the host must be for --seq_len={budget.seq_len}, got {place.seq_len} tokens; the winner is built at --seq_len"
            )
    _check_precision(budget.precision, places)
    return tuple(limits)


def places_of(budget: BudgetConfig, limits: Sequence[LatencyLimit]) -> tuple[Place, ...]:
    """Where a winner is to run: where its limits count or, if sizes alone are limited, on this machine, as fast as it then is."""
    return tuple(limit.place for limit in limits) or (host_place(budget.threads, budget.seq_len, budget.precision),)


def _check_precision(asked: str, places: list[Place]) -> None:
    """Raises ValueError if --precision is for no limit of latencies that there are, or not what the limit of the host says."""
    hosts = [place for place in places if place.is_host]
    if asked == "float32" or not places or [place.dtype for place in hosts] == [asked]:
        return
    told = f"one of {hosts[0].dtype}; leave one of them out" if hosts else (
        'none of this machine; give --latency_ms, or --limits="host/1 thread: 6", or a phone\'s limit with its own DTYPE'
    )
    raise ValueError(f"precision must be that of a limit of the host, got {asked} and {told}")


def host_place(threads: int, seq_len: int, precision: str) -> Place:
    """This machine, with the compiled runtime."""
    return Place(HOST, "1 thread" if threads == 1 else f"{threads} threads", "tvm", precision, threads, seq_len)


def parse_limit(text: str, seq_len: int, precision: str = "float32") -> LatencyLimit:
    """The limit of a text; `seq_len` tokens if it does not say how many, and `precision` on the host if not which.

    Raises:
      ValueError: the text is no limit, or names a device, cores, runtime or dtype that there is not; the message lists the nearest.
    """
    where, colon, allowed = text.rpartition(":")
    fields = [field.strip() for field in where.split("/")]
    if not colon or not 2 <= len(fields) <= 5 or not all(fields):
        raise ValueError(f"limits must be {_FORM}, got {text!r}; e.g. {_EXAMPLE}{_cores_known(fields[0])}")
    if len(fields) == 5:
        seq_len = _tokens(fields.pop(), text)
    if fields[0] == HOST:
        place = _place_on_host(*fields[1:], seq_len=seq_len, precision=precision)
    else:
        place = _place(*fields, seq_len=seq_len)
    value = _allowed(allowed.strip(), text)
    if allowed.strip().endswith("mJ"):
        return LatencyLimit(place, value / _watts(place), energy_mj=value)
    return LatencyLimit(place, 0.0, value) if allowed.strip().endswith("x") else LatencyLimit(place, value)


def _watts(place: Place) -> float:
    """Raises ValueError if nobody measured what the cores of a place draw."""
    watts = place.active_watts
    if watts is None:
        known = [name for name in described_devices() if core_set(load_profile(name), "1 large").active_watts is not None]
        raise ValueError(
            f"a limit in mJ must be of cores whose power was measured, got {place.device}, {place.cores}; give ms, or cores of {', '.join(known)}"
        )
    return watts


def _place(device: str, cores: str, runtime: str = "tflite", dtype: str = "", *, seq_len: int) -> Place:
    profile = load_profile(device)
    if cores == GPU:
        gpu_of(profile)
    chosen = None if cores == GPU else core_set(profile, cores)
    dtypes = runtime_on(cores, runtime).dtypes
    if runtime == "tvm" and not loads_our_libraries(profile):
        raise ValueError(f"the runtime on {device} must be tflite, got 'tvm'; its system loads no library that our compiler makes")
    if dtype and dtype not in dtypes:
        where = "a gpu" if chosen is None else "cores"
        raise ValueError(f"the dtype of {runtime} on {where} must be one of {', '.join(dtypes)}, got {dtype!r} on {device}; others are not priced or not exported")
    dtype = dtype or dtypes[0]
    if chosen is None:
        return Place(device, GPU, runtime, dtype, 1, seq_len)
    _check_rates(chosen, runtime, dtype)
    return Place(device, chosen.describe(), runtime, dtype, chosen.threads, seq_len)


def _check_rates(cores: CoreSet, runtime: str, dtype: str) -> None:
    """Raises ValueError if a core has no rate for the numbers that the runtime's products are of."""
    if runtime == "tvm":
        from bertnas_jax.latency.simulate.fused_kernels import product_dtype  # TVM takes seconds to load

        dtype = product_dtype(dtype, cores.device)
    check_dtype(cores, dtype)


def _place_on_host(cores: str, runtime: str = "tvm", dtype: str = "", *, seq_len: int, precision: str) -> Place:
    threads = _HOST_CORES.fullmatch(cores)
    if threads is None or not 1 <= int(threads[1]) <= 256:
        raise ValueError(f"the cores of host must be threads, such as '1 thread' or '2 threads', got {cores!r}; write host/2 threads/tvm/float32: 20")
    if runtime != "tvm":
        raise ValueError(f"a limit of the host must be for tvm, got {runtime!r}; TensorFlow Lite is measured beside it")
    if dtype and dtype not in PRECISIONS:
        raise ValueError(f"the dtype of a limit of the host must be one of {', '.join(PRECISIONS)}, got {dtype!r}; int8_accurate is the safe choice of int8")
    return host_place(int(threads[1]), seq_len, dtype or precision)


def _tokens(text: str, limit: str) -> int:
    if not text.isdecimal() or not 8 <= int(text) <= 512:
        raise ValueError(f"the tokens of a limit must be 8 to 512, got {text!r} in {limit!r}; leave them out for --seq_len")
    return int(text)


def _allowed(text: str, limit: str) -> float:
    try:
        value = float(text.removesuffix("x").removesuffix("ms").removesuffix("mJ"))
    except ValueError:
        value = math.nan
    if not 0 < value <= 1e6:  # NaN fails too
        raise ValueError(f"a limit must allow ms above 0, such as 30, a factor such as 12x or an energy such as 20mJ, got {text!r} in {limit!r}; write {_EXAMPLE}")
    return value


def _cores_known(device: str) -> str:
    """What may stand after this device, if it is one."""
    try:
        profile = load_profile(device)
    except ValueError:
        return ""
    if device == HOST:
        return ""
    has = ", ".join(f"{cluster.cores.value:.0f} {cluster.label}" for cluster in profile.cpu.clusters)
    return f"; {device} has {has}{' and a gpu' if profile.gpu else ''}"
