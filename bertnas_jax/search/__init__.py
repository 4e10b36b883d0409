"""A `SearchConfig` in; a run folder with the front, the winner, its exported files and the evidence out.

`python -m bertnas_jax.search --help` lists the knobs. `bertnas_jax.search.run.run` is the job: its
import takes the seconds that TVM and JAX take, so that reading flags need not wait for it.
"""

from bertnas_jax.search.config import BudgetConfig, SamplerConfig, SearchConfig

__all__ = ["BudgetConfig", "SamplerConfig", "SearchConfig"]
