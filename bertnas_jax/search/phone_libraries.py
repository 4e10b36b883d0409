"""The winner as our compiler makes it for the phones of the budget: C libraries where what links them is installed, OpenCL."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from bertnas_jax.compiler import bucket_lengths
from bertnas_jax.compiler.targets import ANDROID_OPENCL, MissingToolError, is_opencl, named_target
from bertnas_jax.export.export_winner import write_library
from bertnas_jax.latency.devices import GPU, load_profile, loads_our_libraries
from bertnas_jax.latency.simulate.fused_kernels import target_name
from bertnas_jax.model import Bert
from bertnas_jax.search.job import Job
from bertnas_jax.search.latency_limit import Place

NOTES_FILE = "phone_libraries.json"
_PARITY_SEQUENCES = 2  # that a library is run on here, by an emulator, for its card


@dataclasses.dataclass(frozen=True)
class PhoneTarget:
    """What is compiled for, and in which numbers."""

    target: str
    precision: str

    @property
    def folder(self) -> str:
        return f"winner/{self.target}" + ("" if self.precision == "float32" else f"_{self.precision}")


def target_at(place: Place) -> PhoneTarget | None:
    """What our compiler makes for a phone's place: what its limit is for, or beside TensorFlow Lite the same in float32 for a CPU."""
    profile, is_ours = load_profile(place.device), place.runtime == "tvm"
    if not loads_our_libraries(profile) or (place.cores == GPU and not is_ours):
        return None
    return PhoneTarget(ANDROID_OPENCL if place.cores == GPU else target_name(profile), place.dtype if is_ours else "float32")


def folder_for(place: Place, written: Sequence[dict]) -> str | None:
    """The folder of what a place's limit is for, None if it could not be made here."""
    wanted = target_at(place)
    return next(one["folder"] for one in written if PhoneTarget(one["target"], one["precision"]) == wanted)


def write_phone_libraries(job: Job, model: Bert) -> list[dict]:
    """What was written for the budget's phones and where, or why it was not."""
    if not job.folder.has(NOTES_FILE):
        wanted = dict.fromkeys(target_at(limit.place) for limit in job.limits if not limit.place.is_host)
        job.folder.write_json(NOTES_FILE, [_write(job, model, one) | dataclasses.asdict(one) for one in wanted if one])
    return job.folder.read_json(NOTES_FILE)


def _write(job: Job, model: Bert, wanted: PhoneTarget) -> dict:
    target, lengths, folder = named_target(wanted.target), bucket_lengths(job.config.budget.seq_len), pathlib.Path(job.path(wanted.folder))
    try:
        write_library(model, lengths, target, folder, wanted.precision, _PARITY_SEQUENCES)
    except MissingToolError as error:
        command = f"python -m bertnas_jax.export --target={wanted.target} --precision={wanted.precision}"
        return {"folder": None, "note": f"no C library for {wanted.target}: {error}, then run {command}"}
    if is_opencl(target):
        return {"folder": wanted.folder, "note": "OpenCL C, weights and the lists of launches"}
    return {"folder": wanted.folder, "note": f"{wanted.target}, linked for glibc; an app links its source/ with the Android NDK"}
