"""Which cores of a device run a model: "1 large + 1 medium" against the device's clusters."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import re

from bertnas_jax.latency.devices.profile import Cluster, DeviceProfile

GPU = "gpu"  # what stands for a core set where a model runs on the GPU
_PART = re.compile(r"(\d+)\s*([a-z]+)")


@dataclasses.dataclass(frozen=True)
class CoreSet:
    """Some cores of each cluster, fastest clusters first; the first part runs what is not parallel."""

    device: DeviceProfile
    parts: tuple[tuple[int, Cluster], ...]

    @property
    def threads(self) -> int:
        return sum(count for count, _ in self.parts)

    @property
    def fills_slowest(self) -> bool:
        """True if no core of the device's slowest cluster is left for the operating system."""
        slowest = self.device.cpu.clusters[-1]
        return len(self.device.cpu.clusters) > 1 and any(
            cluster is slowest and count == int(cluster.cores.value) for count, cluster in self.parts
        )

    @property
    def active_watts(self) -> float | None:
        """What these cores draw while all are busy; None if nobody measured one of them."""
        drawn = [(count, cluster.active_watts) for count, cluster in self.parts]
        return None if any(watts is None for _, watts in drawn) else sum(count * watts.value for count, watts in drawn)

    def describe(self) -> str:
        return " + ".join(f"{count} {cluster.label}" for count, cluster in self.parts)


def core_set(device: DeviceProfile, text: str) -> CoreSet:
    """The cores that `text` names, such as "4 small", "1 large + 1 medium" or, without spaces, "2medium".

    Raises:
      ValueError: the device does not have these cores; the message lists the nearest sets it has.
    """
    known = core_sets(device)
    wanted: dict[str, int] = {}
    parts = [_PART.fullmatch(part.strip().lower()) for part in text.split("+")]
    for part in parts:
        if part is None:
            raise ValueError(_unknown(device, text, known))
        wanted[part[2]] = wanted.get(part[2], 0) + int(part[1])
    clusters = {cluster.label: cluster for cluster in device.cpu.clusters}
    if any(label not in clusters or not 1 <= count <= int(clusters[label].cores.value) for label, count in wanted.items()):
        raise ValueError(_unknown(device, text, known))
    return CoreSet(device, tuple((wanted[label], cluster) for label, cluster in clusters.items() if label in wanted))


def core_sets(device: DeviceProfile) -> tuple[str, ...]:
    """Every set of the device's cores that differs in what it costs, smallest first."""
    choices = [range(int(cluster.cores.value) + 1) for cluster in device.cpu.clusters]
    labels = [cluster.label for cluster in device.cpu.clusters]
    sets = [counts for counts in itertools.product(*choices) if any(counts)]
    sets.sort(key=lambda counts: (sum(counts), [-count for count in counts]))
    return tuple(" + ".join(f"{count} {label}" for count, label in zip(counts, labels, strict=True) if count) for counts in sets)


def _unknown(device: DeviceProfile, text: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.0)
    has = ", ".join(f"{int(cluster.cores.value)} {cluster.label}" for cluster in device.cpu.clusters)
    return f"core set must be of {device.name}, which has {has}, got {text!r}; the nearest are {', '.join(map(repr, near))}"
