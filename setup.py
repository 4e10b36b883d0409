"""Packaging of bertnas_jax; exact versions of everything are in constraints.txt."""

import sys

from setuptools import find_packages, setup

if sys.version_info[:2] != (3, 11):
    sys.exit(f"Python must be 3.11, got {sys.version.split()[0]}; install python3.11 and use it to make the virtual environment")

PEERS = ["onnx", "onnxruntime", "openvino", "sympy"]  # sympy is what onnxruntime.transformers infers shapes with

setup(
    name="bertnas_jax",
    version="0.1.0",
    description="The most accurate BERT sub-network for a device and a latency budget, compiled and exported",
    packages=find_packages(include=["bertnas_jax", "bertnas_jax.*"]),
    package_data={
        "bertnas_jax.compiler": ["tunings/*.json"],
        "bertnas_jax.export": ["c_sources/*"],
        "bertnas_jax.latency": ["time_model.c", "devices/*.json", "devices/library/*.json", "simulate/calibrations/*.json"],
    },
    python_requires=">=3.11,<3.12",
    install_requires=[
        "absl-py",
        "ai-edge-litert",
        "apache-tvm",
        "flatbuffers",
        "flax",
        "grain",
        "islpy",
        "jax",
        "jaxtyping",
        "matplotlib",
        "numpy",
        "optax",
        "optuna",
        "orbax-checkpoint",
        "plotly",
        "safetensors",
        "scipy",
        "tensorboardX",
        "threadpoolctl",
        "tokenizers",
        "tqdm",
        "transformers",
    ],
    extras_require={
        "hub": ["datasets"],  # tasks named hub:name/config
        "opencl": ["pyopencl"],  # runs what --target=android-opencl exports; a device without a GPU: Debian's pocl-opencl-icd
        "peers": PEERS,  # what python -m bertnas_jax.benchmark compares with
        "rpc": ["tornado"],  # TVM's RPC tracker: --measure --tracker
        "tpu": ["libtpu"],  # python -m bertnas_jax.train --plan compiles for TPUs without one
        # TensorFlow is an oracle of the tests alone: the .tflite files are written without it.
        "test": ["beartype", "datasets", "hypothesis", "pyopencl", "pytest", "pytest-xdist", "tensorflow-cpu", "tornado", *PEERS],
    },
)
