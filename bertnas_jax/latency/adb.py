"""One Android phone, reached by adb: files pushed to it, programs run on chosen cores."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from bertnas_jax.latency.devices import CoreSet

REMOTE = "/data/local/tmp/bertnas"  # Android lets its shell user run programs under /data/local/tmp alone
_PUSH_S, _SHELL_S = 300, 600
# A line a core: its number and its highest clock in kHz.
_CLOCKS = "cd /sys/devices/system/cpu && for c in cpu[0-9]*; do echo ${c#cpu} $(cat $c/cpufreq/cpuinfo_max_freq); done"


@dataclasses.dataclass(frozen=True)
class Adb:
    """The adb program and the serial number of the phone it speaks to."""

    program: str
    serial: str

    def push(self, files: Sequence[pathlib.Path]) -> None:
        """Copies the files into `REMOTE`."""
        for file in files:
            if not file.is_file():
                raise FileNotFoundError(f"what is pushed to the phone must be a file, got {file}; give the path of one")
        self.shell(["mkdir", "-p", REMOTE])
        _run([self.program, "-s", self.serial, "push", *map(str, files), REMOTE], _PUSH_S)

    def shell(self, command: Sequence[str]) -> str:
        """What the command says on the phone, both streams.

        Raises:
          RuntimeError: its exit status is not 0, or it does not end.
        """
        return _run([self.program, "-s", self.serial, "shell", shlex.join(command)], _SHELL_S)

    def model_name(self) -> str:
        """The phone's model, by its maker's name."""
        return self.shell(["getprop", "ro.product.model"]).strip()

    def clocks_khz(self) -> tuple[int, ...]:
        """The highest clock of each core, by core number."""
        return parse_clocks(self.shell(["sh", "-c", _CLOCKS]))


def find_phone(serial: str = "") -> Adb:
    """The phone of that serial number, or the only one.

    Raises:
      RuntimeError: adb is not installed, or there is no such phone, or there are several.
    """
    program = shutil.which("adb")
    if program is None:
        raise RuntimeError("adb must be on the PATH, got none; install the package adb, or Android's platform-tools")
    states = parse_devices(_run([program, "devices"], _SHELL_S))
    ready = [name for name, state in states.items() if state == "device" and serial in ("", name)]
    if not ready:
        wanted = f"phone {serial}" if serial else "phone"
        cure = "allow USB debugging on it and see adb devices"
        raise RuntimeError(f"a {wanted} must be connected and authorised, got {states or 'none'}; {cure}")
    if len(ready) > 1:
        raise RuntimeError(f"one phone must be chosen, got {ready}; give --serial")
    return Adb(program, ready[0])


def parse_devices(text: str) -> dict[str, str]:
    """State by serial number, of what `adb devices` prints: a heading, then a line a device."""
    rows = (line.split("\t") for line in text.splitlines() if "\t" in line)
    return {row[0]: row[1].strip() for row in rows}


def parse_clocks(text: str) -> tuple[int, ...]:
    """The clocks by core number, of lines with a core's number and its clock in kHz, in any order.

    Raises:
      ValueError: a core does not tell its clock, as one that is switched off may not.
    """
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if wrong := [row for row in rows if len(row) != 2 or not all(word.isdecimal() for word in row)]:
        raise ValueError(f"each core must tell its highest clock, got {' '.join(wrong[0])!r}; give --core_set=any")
    return tuple(clock for _, clock in sorted((int(core), int(clock)) for core, clock in rows))


def core_mask(cores: CoreSet, clocks_khz: Sequence[int]) -> str:
    """The hexadecimal mask that `taskset` takes for these cores: those of the highest clocks are the profile's first cluster.

    Raises:
      ValueError: the phone has not as many cores as the profile.
    """
    clusters = cores.device.cpu.clusters
    sizes = [int(cluster.cores.value) for cluster in clusters]
    if sum(sizes) != len(clocks_khz):
        name = cores.device.name
        raise ValueError(f"the profile {name} must have the phone's {len(clocks_khz)} cores, got {sum(sizes)}; give its own --device")
    fastest_first = sorted(range(len(clocks_khz)), key=lambda core: -clocks_khz[core])
    counts = {cluster.label: count for count, cluster in cores.parts}
    mask, start = 0, 0
    for cluster, size in zip(clusters, sizes, strict=True):
        for core in fastest_first[start : start + counts.get(cluster.label, 0)]:
            mask |= 1 << core
        start += size
    return f"{mask:x}"


def _run(command: Sequence[str], limit_s: float) -> str:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit_s, errors="replace")
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{shlex.join(command)} must end within {limit_s} s, got no end; see whether the phone is awake") from None
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)} must succeed, got exit status {done.returncode}; it said: {done.stdout.strip()[-2000:]}")
    return done.stdout
