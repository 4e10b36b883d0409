"""What our fusion gains on a phone that nobody here holds, simulated: every rewrite and relation left out in turn, and all.

On cores of the phone's CPU every version is priced by the loop nests of its kernels, the same schedules throughout, beside
TensorFlow Lite. Of its GPU less is known: the simulator's GPU is calibrated on TensorFlow Lite's products of halves read from
textures, and our OpenCL kernels, of float32 from buffers, were never timed on one. What is told here are launches and least
traffic with fusion and without any, and the milliseconds of these two by the GPU's calibration, with products at no time at all: what fusion
saves of them is not more than that difference. The paper's claims stand beside, of its own models and its own compiler; nothing is fitted to them.

  python tools/simulated_fusion.py --device=galaxy_s20
"""

from __future__ import annotations

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.compiler import list_kernels, trace_model
from bertnas_jax.compiler.opencl import compile_opencl, lower_opencl
from bertnas_jax.compiler.pipeline import OPTIONAL
from bertnas_jax.compiler.targets import ANDROID_OPENCL, named_target
from bertnas_jax.errors import explained
from bertnas_jax.latency.devices import DeviceProfile, core_set, load_profile
from bertnas_jax.latency.fill_table import stand_in
from bertnas_jax.latency.kernel_table import Conditions
from bertnas_jax.latency.simulate import encoder_operators, load_cpu_calibration, load_gpu_calibration, simulate_cpu
from bertnas_jax.latency.simulate.fused_kernels import FusedKernels
from bertnas_jax.latency.simulate.gpu_roofline import gpu_of, launch_us, passing_us
from bertnas_jax.space import Subnet

# BERT-base, a narrow and a short model: layers, hidden, heads, ffn, tokens.
SHAPES = ((12, 768, 12, 3072, 128), (12, 384, 12, 1536, 128), (6, 512, 8, 1024, 32))
VERSIONS = {"all": (), **{f"without {name}": (name,) for name in OPTIONAL}, "nothing fused": OPTIONAL}
# Source: Niu et al., arXiv 2009.06823, abstract: of its searched models against BERT-base, smaller models and fusion together.
CLAIMS = {
    "times as fast as BERT-base on the CPU": 5.2,
    "times as fast as BERT-base on the GPU": 4.1,
    "times as fast as TensorFlow Lite, at most": 7.8,
    "ms, at least": 45,
}


def on_cpu(subnet: Subnet, seq_len: int, device: DeviceProfile, core_sets: list[str]) -> dict:
    """By core set and version: milliseconds, times as long as the whole compiler's, and calls; and TensorFlow Lite's."""
    fitted = load_cpu_calibration()
    works = {name: FusedKernels(seq_len, "float32", device, without=without).kernels(subnet) for name, without in VERSIONS.items()}
    told = {}
    for text in core_sets:
        cores = core_set(device, text)
        runs = {name: simulate_cpu(kernels, cores, fitted.for_kernels_of("tvm")) for name, kernels in works.items()}
        whole_ms = runs["all"].total_ms
        tflite = simulate_cpu(encoder_operators(subnet, seq_len, "float32"), cores, fitted).total_ms
        told[text] = {
            "versions": {
                name: {"ms": round(run.total_ms, 5), "of_all": round(run.total_ms / whole_ms, 3), "calls": sum(work.dispatched for work in works[name])}
                for name, run in runs.items()
            },
            "interval_of_all_ms": [round(runs["all"].low_ms, 5), round(runs["all"].high_ms, 5)],
            "known_by": runs["all"].knowledge,
            "tflite": {"ms": round(tflite, 5), "of_all": round(tflite / whole_ms, 3)},
        }
    return told


def on_gpu(subnet: Subnet, seq_len: int, device: DeviceProfile) -> dict:
    """By version: launches, bytes that kernels read and write at least, and the milliseconds of both."""
    traced, target = trace_model(stand_in(subnet, Conditions(seq_len, threads=1)), seq_len), named_target(ANDROID_OPENCL)
    gpu, fitted = gpu_of(device), load_gpu_calibration().fit
    own, told = fitted.deviation(gpu.name), {}
    for name, without in (("all", ()), ("nothing fused", OPTIONAL)):
        lowered = lower_opencl(traced, target, without)
        kernels, (_, functions) = list_kernels(lowered), compile_opencl(lowered, target)
        launches = sum(len(functions[kernel.name].launches) for kernel in kernels)
        between = sum(2 * kind.num_bytes for kernel in kernels for kind in functions[kernel.name].temporaries)  # written and read
        moved = sum(kernel.bytes for kernel in kernels) + between
        each_us = float(launch_us(gpu.float16_gflops.value, fitted.constants, own))
        traffic_us = float(passing_us(moved, gpu.dram_gb_s.value, gpu.texture_gb_s.value, fitted.constants, own))
        told[name] = {"calls": len(kernels), "launches": launches, "megabytes": round(moved / 1e6, 2)}
        told[name] |= {"launch_ms": round(launches * each_us / 1e3, 3), "traffic_ms": round(traffic_us / 1e3, 3)}
    return told


def run(device: DeviceProfile, core_sets: list[str], shapes=SHAPES, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """The path of the dated JSON."""
    rows = []
    for *sizes, seq_len in shapes:
        subnet = Subnet.uniform(*sizes)
        rows.append({"layers_hidden_heads_ffn_tokens": [*sizes, seq_len], "cpu": on_cpu(subnet, seq_len, device, core_sets), "gpu": on_gpu(subnet, seq_len, device)})
        for text, found in rows[-1]["cpu"].items():
            versions = "; ".join(f"{name} {each['ms']:.1f} ms ({each['of_all']:.2f})" for name, each in found["versions"].items())
            print(f"{sizes}, {seq_len} tokens, {text}: {versions}; tflite {found['tflite']['ms']:.1f} ms ({found['tflite']['of_all']:.2f})")
        print(f"{sizes}, {seq_len} tokens, {gpu_of(device).name}: {rows[-1]['gpu']}")
    base_ms = {text: found["versions"]["all"]["ms"] for text, found in rows[0]["cpu"].items()}
    for row in rows:
        for text, found in row["cpu"].items():
            found["times_as_fast_as_the_first_shape"] = round(base_ms[text] / found["versions"]["all"]["ms"], 3)
    about = {"device": device.name, "soc": device.soc, "dtype": "float32", "source": "simulated"}
    return write_result("simulated_fusion", about | {"claims_of_the_paper": CLAIMS, "shapes": rows}, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="galaxy_s20", help="a profile's name")
    parser.add_argument("--core_sets", nargs="+", default=["1 large", "1 large + 3 medium"], help="its cores")
    given = parser.parse_args()
    with explained():
        print(f"written to {run(load_profile(given.device), given.core_sets)}")


if __name__ == "__main__":
    main()
