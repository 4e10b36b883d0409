"""The winner as a C library for the phones of the budget, where what links it is installed."""

from __future__ import annotations

import shutil

from bertnas_jax.compiler import bucket_lengths
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, c_compiler, named_target
from bertnas_jax.export import write_c_library
from bertnas_jax.latency.devices import GPU, DeviceProfile, has_dot, load_profile
from bertnas_jax.model import Bert
from bertnas_jax.search.job import Job

FOLDER, NOTE_FILE = "winner/android-arm64", "phone_library.json"
_APPLE = "Apple-"  # cores whose system loads no library of this kind


def write_phone_library(job: Job, model: Bert) -> dict | None:
    """What was written for the CPUs of the budget's phones and where, or why nothing was; None if it has none."""
    devices = sorted({limit.place.device for limit in job.limits if not limit.place.is_host and limit.place.cores != GPU})
    profiles = [profile for profile in map(load_profile, devices) if not _is_apple(profile)]
    if not profiles:
        return None
    name = ANDROID_ARM64 if all(map(has_dot, profiles)) else ANDROID_ARM64_PLAIN
    if not job.folder.has(NOTE_FILE):
        job.folder.write_json(NOTE_FILE, _write(job, model, name))
    return job.folder.read_json(NOTE_FILE) | {"target": name}


def _write(job: Job, model: Bert, name: str) -> dict:
    target = named_target(name)
    try:
        c_compiler(target)
    except RuntimeError as error:
        return {"folder": None, "note": f"no C library for {name}: {error}, then run python -m bertnas_jax.export --target={name}"}
    shutil.rmtree(job.path(FOLDER), ignore_errors=True)
    write_c_library(model, bucket_lengths(job.config.budget.seq_len), target, job.path(FOLDER))
    return {"folder": FOLDER, "note": f"{name}, linked for glibc; an app links its source/ with the Android NDK"}


def _is_apple(profile: DeviceProfile) -> bool:
    return profile.cpu.clusters[0].core.startswith(_APPLE)
