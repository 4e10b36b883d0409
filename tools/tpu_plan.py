"""Plans the supernet's training step of BERT-base and BERT-large on a TPU, and writes the figures to a dated JSON.

Nothing is measured: libtpu compiles the step, and its figures are read off what it compiled. Minutes a model.

  python tools/tpu_plan.py --topology=v5e:16x16
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata

from bertnas_jax.benchmark import write_result
from bertnas_jax.train.mesh import AXES, MeshConfig
from bertnas_jax.train.plan import Plan, describe_plan, plan
from bertnas_jax.train.planned_step import published_runs

ASSUMPTIONS = (
    "Estimates, not measurements; blocks in bfloat16. compute_s: XLA's own cycles, every subnet priced as the largest, at the rate at which its "
    "estimate of a 4096-wide bfloat16 product reaches the chip's peak. collective_s: bytes that a chip sends in collectives, each "
    "a ring, over its links. roofline_s: the largest of peak_s (the model's FLOPs at the bfloat16 peak), memory_s (state and batch read, "
    "state written, temporaries written and read) and collective_s. optimal_seconds: XLA's, negative where it gives none."
)


def figures_of(plan: Plan) -> dict:
    """What was compiled, and what follows from it."""
    overlapped_s, sequential_s = plan.step_s
    return dataclasses.asdict(plan) | {
        "bytes_per_chip": plan.bytes_per_chip,
        "compute_s": plan.compute_s,
        "collective_s": plan.collective_s,
        "peak_s": plan.peak_s,
        "memory_s": plan.memory_s,
        "roofline_s": plan.roofline_s,
        "step_overlapped_s": overlapped_s,
        "step_sequential_s": sequential_s,
        "mfu_overlapped": plan.mfu(overlapped_s),
        "mfu_sequential": plan.mfu(sequential_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topology", default="v5e:16x16")
    for axis, size in zip(AXES, MeshConfig().sizes, strict=True):
        parser.add_argument(f"--{axis}", type=int, default=size, help="devices along this axis of the mesh; -1 for the rest")
    asked = parser.parse_args()
    plans = []
    for config in published_runs(asked.topology):
        plans.append(plan(asked.topology, dataclasses.replace(config, mesh=MeshConfig(asked.data, asked.fsdp, asked.tensor))))
        print(describe_plan(plans[-1]), flush=True)
    fields = {"libtpu": importlib.metadata.version("libtpu"), "assumptions": ASSUMPTIONS, "plans": [figures_of(plan) for plan in plans]}
    print(write_result("tpu_plan", fields))


if __name__ == "__main__":
    main()
