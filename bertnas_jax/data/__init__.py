"""A task's name or folder in; a `Task` of text, labelled or not, and length-bucketed batches of it, out.

Metrics and a bag-of-words baseline say what a score on it is worth.
"""

from bertnas_jax.data.bag_of_words import bag_of_words_baseline
from bertnas_jax.data.batches import Batch, Part, eval_batches
from bertnas_jax.data.buckets import Buckets, choose_buckets
from bertnas_jax.data.demo import demo_splits, load_demo
from bertnas_jax.data.epoch import count_batches, pad_share
from bertnas_jax.data.load import load_task
from bertnas_jax.data.metrics import CLASSIFICATION_METRICS, METRICS, REGRESSION_METRICS
from bertnas_jax.data.spec import TaskSpec
from bertnas_jax.data.task import Examples, Task
from bertnas_jax.data.tokenize import Encoded, check_vocabulary, encode, load_tokenizer
from bertnas_jax.data.train_batches import train_batches

__all__ = [
    "CLASSIFICATION_METRICS",
    "METRICS",
    "REGRESSION_METRICS",
    "Batch",
    "Buckets",
    "Encoded",
    "Examples",
    "Part",
    "Task",
    "TaskSpec",
    "bag_of_words_baseline",
    "check_vocabulary",
    "choose_buckets",
    "count_batches",
    "demo_splits",
    "encode",
    "eval_batches",
    "load_demo",
    "load_task",
    "load_tokenizer",
    "pad_share",
    "train_batches",
]
