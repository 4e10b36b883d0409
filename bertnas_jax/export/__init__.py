"""A trained Bert in, files to deploy out: .tflite, a compiled library, a Hugging Face folder with tokenizer and card; a C library, OpenCL C.

What was exported is run again and held against the model by `logit_error`.
"""

from bertnas_jax.export.bundle import library_file, write_bundle
from bertnas_jax.export.c_library import write_c_library
from bertnas_jax.export.card import CardFacts, model_card
from bertnas_jax.export.opencl_files import write_opencl
from bertnas_jax.export.parity import LogitError, logit_error, max_abs_error, pad_example, run_examples
from bertnas_jax.export.tflite import INPUT_NAMES, OUTPUT_NAME, export_tflite, tflite_file
from bertnas_jax.export.tflite_runtime import TfliteModel

__all__ = [
    "INPUT_NAMES",
    "OUTPUT_NAME",
    "CardFacts",
    "LogitError",
    "TfliteModel",
    "export_tflite",
    "library_file",
    "logit_error",
    "max_abs_error",
    "model_card",
    "pad_example",
    "run_examples",
    "tflite_file",
    "write_bundle",
    "write_c_library",
    "write_opencl",
]
