"""Figures in, dated JSON under benchmarks/results/ out, with the machine and versions they were measured on."""

from bertnas_jax.benchmark.result import RESULTS, write_result

__all__ = ["RESULTS", "write_result"]
