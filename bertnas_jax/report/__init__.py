"""A run folder in; report.html, pareto.png, pareto.csv and the terminal's table out.

Everything shown is read from the folder's files and checked against each other first.
"""

from bertnas_jax.report.write import write_report

__all__ = ["write_report"]
