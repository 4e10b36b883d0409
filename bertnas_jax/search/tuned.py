"""The tuning stage: the products of the space cut into the tiles that are the fastest on this machine, before anything is priced."""

from __future__ import annotations

import tvm

from bertnas_jax.compiler import GemmShape, Tuning, host_target, product_shapes, trace_model, tune
from bertnas_jax.latency import covering_subnet, pinned, stand_in
from bertnas_jax.search.job import Job
from bertnas_jax.search.side_by_side import conditions_of


def tuning_stage(job: Job) -> Tuning:
    """The tuning that everything of this run is compiled by: what is known, and what that lacks measured.

    Nothing is measured where no limit is of this machine, or without --tune.

    Raises:
      ValueError: the run folder's is of another CPU.
    """
    target = host_target()
    if not job.folder.has(Tuning.FILE):
        known = job.tuning
        if job.config.tune and any(limit.place.is_host for limit in job.limits):
            missing = [shape for shape in _products(job, target) if shape not in known.tiles]
            with pinned(job.threads):
                found, _ = tune(missing, target, [job.threads])
            known = known.merged(found)
        known.save(job.path(Tuning.FILE))
    tuning = Tuning.load(job.path(Tuning.FILE))
    tuning.check(str(target.attrs["mcpu"]))
    return tuning


def _products(job: Job, target: tvm.target.Target) -> list[GemmShape]:
    """Those of every Subnet of the space, in the budget's numbers and, for what a winner is compared in, in float32.

    Each width's Subnet of all heads and ffns has them all.
    """
    conditions, shapes = conditions_of(job), set()
    for hidden in job.space.hiddens:
        model = stand_in(covering_subnet(job.space, hidden), conditions)
        traced = trace_model(model, conditions.seq_len)
        for precision in {"float32", job.precision}:
            shapes.update(product_shapes(traced, target, precision))
    return sorted(shapes)
