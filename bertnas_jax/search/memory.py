"""How much memory Subnets take while they run, as this machine's compiler plans it: of a whole space, and of one model."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import numpy as np

from bertnas_jax.compiler import host_target, lower, trace_model
from bertnas_jax.compiler.memory_plan import RunningMemory, aligned, running_memory
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.program import program_of
from bertnas_jax.latency import stand_in
from bertnas_jax.search.cost_table import CostTable
from bertnas_jax.search.job import Job
from bertnas_jax.search.peak_table import PeakTable, fill_memory_table
from bertnas_jax.search.side_by_side import conditions_of
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.whole_file import whole

_ROWS = 256  # of the stand-in's vocabulary: the table is as large as its rows, and all else does not know how many there are


def memory_of(model: Callable, seq_len: int, precision: Precision) -> RunningMemory:
    """The memory of a model compiled for this machine at one length."""
    return running_memory(program_of(lower(trace_model(model, seq_len), host_target(), precision=precision)))


def memory_table(job: Job) -> PeakTable:
    """Megabytes of every Subnet of the job's space, from the run folder or from a lowering of each choice, some seconds each."""
    path = job.path("memory_table.json")
    if not path.exists():
        conditions, bert = conditions_of(job), job.bert

        def planned(subnet: Subnet) -> RunningMemory:
            return memory_of(stand_in(subnet, conditions, _ROWS), conditions.seq_len, job.precision)

        def more_rows(hidden: int) -> int:
            row_bytes = 4 * hidden
            words = aligned(bert.vocab_size * row_bytes) - aligned(_ROWS * row_bytes)
            return words + aligned(bert.type_vocab_size * row_bytes) - aligned(2 * row_bytes)  # the stand-in has two types

        _save(fill_memory_table(job.space, planned, more_rows), path)
    return load_memory_table(job.space, path)


def _save(table: PeakTable, path: pathlib.Path) -> None:
    fields = {"outside": table.sums.outside.tolist(), "blocks": table.sums.blocks.tolist(), "peaks": table.peaks.tolist()}
    with whole(path) as partial:
        partial.write_text(json.dumps(fields) + "\n", encoding="utf-8")


def load_memory_table(space: SearchSpace, path: pathlib.Path) -> PeakTable:
    """The table that a run folder holds for its space."""
    fields = {name: np.array(values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
    return PeakTable(CostTable(space, fields["outside"], fields["blocks"]), fields["peaks"])
