"""What `python -m bertnas_jax.compiler` does."""

from __future__ import annotations

import pathlib

from bertnas_jax.compiler.config import CompilerConfig, traced_subnet
from bertnas_jax.compiler.explain import explain
from bertnas_jax.compiler.targets import host_target
from bertnas_jax.compiler.tune import product_shapes, tune
from bertnas_jax.compiler.tuning import Tuning


def run(config: CompilerConfig) -> None:
    """Prints what was asked for.

    Raises:
      ValueError: nothing was, or the tuning file is of another CPU.
    """
    if not (config.explain or config.tune):
        raise ValueError("a mode must be given, got none; add --explain or --tune")
    print(explain(config) if config.explain else tune_subnet(config))


def tune_subnet(config: CompilerConfig) -> str:
    """Adds the best tiles of the sub-network's products to the tuning file; a line about each."""
    target, path = host_target(), pathlib.Path(config.tuning).expanduser()
    known = Tuning.load(path) if path.exists() else Tuning(str(target.attrs["mcpu"]), {})
    known.check(str(target.attrs["mcpu"]))  # before minutes are spent
    found, lines = tune(product_shapes(traced_subnet(config)[1], target, config.precision), target, config.threads, config.rounds)
    known.merged(found).save(path)
    return "\n".join([*lines, f"written to {path}"])
