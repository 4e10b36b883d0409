"""The winner of a run folder, exported for a device."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Sequence

import jax
import tvm

from bertnas_jax.compiler import Tuning, bucket_lengths
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.targets import MissingToolError, is_opencl, named_target
from bertnas_jax.export.c_library import LIBRARY_FILE, write_c_library
from bertnas_jax.export.config import ExportConfig
from bertnas_jax.export.library_card import CARD_FILE, library_card
from bertnas_jax.export.library_parity import LibraryParity, measure_library
from bertnas_jax.export.opencl_files import LAUNCHES_FILE, write_opencl
from bertnas_jax.model import Bert, load_checkpoint, read_config


def export_winner(config: ExportConfig) -> str:
    """Writes `config.out` and tells what is in it.

    Raises:
      ValueError: a folder is not named, the run has no winner yet, its positions are fewer than `seq_len`, or `out` holds anything but an export.
      RuntimeError: a tool that the target needs is not installed.
    """
    for name, folder in (("workdir", config.workdir), ("out", config.out)):
        if not folder:
            raise ValueError(f"{name} must name a folder, got ''; give --{name}=FOLDER")
    run, out = pathlib.Path(config.workdir).expanduser(), pathlib.Path(config.out).expanduser()
    winner = run / "winner"
    if not winner.is_dir():
        raise ValueError(f"workdir must hold a winner, got {run} without the folder winner; finish python -m bertnas_jax.search there first")
    _check_replaceable(out)
    seq_len = config.seq_len or _seq_len(run)
    sizes = read_config(winner)
    if seq_len > sizes.max_positions:
        raise ValueError(f"seq_len must be at most the winner's {sizes.max_positions} positions, got {seq_len}; shorten it")
    target = named_target(config.target)
    model = load_checkpoint(winner, sizes, jax.random.key(0))
    lengths = bucket_lengths(seq_len) if config.shorter else (seq_len,)
    with _tuning_for(run, target):
        write_library(model, lengths, target, out, config.precision, config.parity_sequences, config.compiler)
    files = [f"  {path.name:18} {path.stat().st_size:>12,} bytes" for path in sorted(out.iterdir()) if path.is_file()]
    return "\n".join([f"{model.config.subnet.describe()}, {seq_len} tokens, {config.precision}, for {config.target} in {out}:", *files])


def _check_replaceable(out: pathlib.Path) -> None:
    """Raises ValueError if writing to `out` would delete what is no export of ours."""
    is_export = any((out / name).is_file() for name in (LIBRARY_FILE, LAUNCHES_FILE))
    if out.exists() and not is_export and (out.is_file() or any(out.iterdir())):
        raise ValueError(f"out must be a new folder, an empty one or that of an earlier export, got {out}, which holds something else; give another")


def write_library(
    model: Bert, lengths: Sequence[int], target: tvm.target.Target, out: pathlib.Path, precision: Precision, sequences: int, compiler: str = ""
) -> None:
    """Writes OpenCL C or a C library, as the target has it, with README.md: how near it is to the model where this machine can run it.

    Raises:
      MissingToolError: there is no C compiler that links for the target.
    """
    if is_opencl(target):
        write_opencl(model, lengths, target, out)
    else:
        write_c_library(model, lengths, target, out, compiler, precision)
    card = library_card(model.config, lengths, target, precision, _parity(model, max(lengths), target, out, sequences))
    (out / CARD_FILE).write_text(card, encoding="utf-8")


def _parity(model: Bert, seq_len: int, target: tvm.target.Target, out: pathlib.Path, sequences: int) -> LibraryParity | str:
    """How near what was written is to the model, or why that is not known: it may be written where nothing can run it."""
    if not sequences:
        return "not measured: no sequences were asked for"
    try:
        return measure_library(model, seq_len, target, out, sequences)
    except MissingToolError as error:
        return f"not measured: {error}"


def _tuning_for(run: pathlib.Path, target: tvm.target.Target) -> contextlib.AbstractContextManager:
    """The run's tuning if it is of the CPU that is exported for; else what the package brings for that."""
    path = run / Tuning.FILE
    tuning = Tuning.load(path) if path.is_file() else None
    return tuning if tuning and tuning.cpu == target.attrs.get("mcpu") else contextlib.nullcontext()


def _seq_len(run: pathlib.Path) -> int:
    """The length that the run's budget is about."""
    path = run / "summary.json"
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["budget"]["seq_len"])
    except (FileNotFoundError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} must tell the budget's seq_len, got {error!r}; finish the run, or give --seq_len") from error
