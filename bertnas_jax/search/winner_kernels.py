"""What the winner's time goes to under every latency limit: its kernels with what each takes."""

from __future__ import annotations

import dataclasses

from bertnas_jax.latency import KernelTable
from bertnas_jax.latency.simulate import PricedKernel
from bertnas_jax.search.budget import Budget
from bertnas_jax.search.job import Job
from bertnas_jax.search.kernel_cost import CostsAt, KernelCost
from bertnas_jax.search.latencies import host_table
from bertnas_jax.search.rounds import factor_at_work
from bertnas_jax.search.simulated import simulate_at
from bertnas_jax.space import Subnet

KERNELS_FILE = "kernels.json"


def write_kernel_costs(job: Job, subnet: Subnet, budget: Budget) -> None:
    """Writes kernels.json, a place for each latency limit, in their order."""
    if job.folder.has(KERNELS_FILE):
        return
    rows = []
    for limit in budget.latencies:
        place = limit.limit.place
        if place.is_host:
            rows.append(CostsAt(limit.cost.name, "measured", measured_kernels(host_table(job), subnet, factor_at_work(job))))
        else:
            rows.append(CostsAt(limit.cost.name, "simulated", tuple(map(_simulated, simulate_at(place, subnet).kernels))))
    job.folder.write_json(KERNELS_FILE, [dataclasses.asdict(row) for row in rows])


def measured_kernels(table: KernelTable, subnet: Subnet, factor: float) -> tuple[KernelCost, ...]:
    """A Subnet's kernels by their measured times, and what a run costs beside them, all times a correction: in sum its price."""
    found = [KernelCost(_short(name), calls, table.microseconds[name] * factor) for name, calls in table.parts.kernels(subnet).items()]
    return (*found, KernelCost("overhead (copies)", 1, table.overhead_us * factor))


def _short(signature: str) -> str:
    """`gemm 64x384 to 64x512` of "gemm(float32[1x64x384],...,float32[1x64x512])#0db4a02dda80b54a": tokens and masks are int32."""
    name, _, rest = signature.partition("(")
    arguments = rest.rpartition(")")[0].split(",")
    first = next((one for one in arguments if not one.startswith("int32")), arguments[0])
    sizes = [one.partition("[")[2].removesuffix("]").removeprefix("1x") for one in (first, arguments[-1])]
    return f"{name} {' to '.join(sizes)}"


def _simulated(kernel: PricedKernel) -> KernelCost:
    return KernelCost(f"{kernel.work.name}{kernel.work.size}", kernel.times, kernel.us, kernel.limit)
