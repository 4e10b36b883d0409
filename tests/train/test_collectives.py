"""Bytes that a chip sends in collectives: of what XLA compiles here for 8 virtual devices, and of what only TPUs' programs have.

What is compiled here has 8 x 4 float32 on a device, 128 bytes, and groups of 4 devices over y, 2 over x.
"""

import json
import os
import subprocess
import sys

import pytest

from bertnas_jax.train.collectives import sent_bytes
from bertnas_jax.train.hlo_cost import cost_of
from tests.conftest import REPOSITORY

SENT = {
    "all-reduce over y": 2 * 3 * 32,  # a quarter goes round twice, 3 of 4 hops from each chip
    "all-reduce over all": 2 * 7 * 16,
    "all-reduce of two": 2 * 3 * (32 + 2),  # 8 bytes more, in one instruction
    "all-reduce in a loop": 5 * 2 * 3 * 32,
    "all-gather over y": 3 * 128,
    "all-gather over x": 1 * 128,
    "reduce-scatter over y": 3 * 32,  # its result is 32 bytes, and was what counted once
    "reduce-scatter over all": 7 * 16,
    "all-to-all over y": 3 * 32,
    "collective-permute over y": 128,
}
# The permutation's type was written by libtpu 0.0.52 (its pairs are a ring); the others are made up after XLA's shape inference.
STARTS = {
    "collective-permute-start": (
        "(bf16[192,768]{1,0:T(8,128)(2,1)S(1)}, bf16[192,768]{1,0:T(8,128)(2,1)S(1)}, u32[]{:S(2)}, u32[]{:S(2)})",
        "%fusion.2), channel_id=24, source_target_pairs={{0,1},{1,2},{2,3},{3,0}}, metadata={}",
        2 * 192 * 768,
    ),
    "all-reduce-start": ("(f32[128]{0:T(128)}, /*index=1*/f32[8,128]{1,0})", "%a, %b), replica_groups={{0,1},{2,3}}, to_apply=%add", 512 + 4096),
    "all-gather-start": ("(f32[8,128]{1,0}, f32[32,128]{1,0})", "%a), replica_groups=[2,4]<=[8], dimensions={0}", 3 * 4096),
    "reduce-scatter-start": (
        "((f32[32,128]{1,0}, f32[8]{0}), (f32[8,128]{1,0}, f32[2]{0}), u32[]{:S(2)})",
        "%a, %b), replica_groups=mesh['x'=2,'y'=4] {'y'}, to_apply=%add, dimensions={0}",
        3 * (4096 + 8),
    ),
    "all-to-all-start": ("((f32[8]{0}), f32[8]{0}, u32[])", "%a), replica_groups=[1,8]<=[2,4]T(1,0), dimensions={0}", 28),
}


@pytest.fixture(scope="module")
def compiled():
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=8", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.train.collective_programs"]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", SENT)
def test_what_xla_compiled_sends_what_a_ring_does(compiled, name):
    assert cost_of(compiled[name]).collective_bytes == ((name.split()[0], SENT[name]),)


@pytest.mark.parametrize("opcode", STARTS)
def test_a_start_sends_what_its_result_says_and_a_done_nothing(opcode):
    result, attributes, sent = STARTS[opcode]
    assert sent_bytes(opcode, result, attributes, 8) == (opcode.removesuffix("-start"), sent)
    assert sent_bytes(opcode.replace("-start", "-done"), result, attributes, 8) is None


@pytest.mark.parametrize(
    ("groups", "size"),
    [
        ("{}", 8),
        ("{{0,1,2},{3,4}}", 3),
        ("[4,2]<=[8]", 2),
        ("[2,4]<=[4,2]T(1,0)", 4),
        ("mesh['axis_0'=4] {'axis_0'}", 4),
        ("mesh['a'=2,'b'=4] {'a','b'}", 8),
        ("mesh['a'=2,'b'=4], device_ids=([8]) {'b':(1)2}", 2),
    ],
)
def test_a_group_is_read_in_every_way_that_it_is_written(groups, size):
    assert sent_bytes("reduce-scatter", "f32[1]", f"%a), replica_groups={groups}, to_apply=%add", 8) == ("reduce-scatter", 4 * (size - 1))


def test_an_asynchronous_computation_sends_once():
    text = """\
HloModule jit_f, num_partitions=4

%started (param: f32[16]) -> f32[4] {
  ROOT %reduce-scatter.1 = f32[4]{0} reduce-scatter(%param), replica_groups={{0,1,2,3}}, to_apply=%add
}

ENTRY %main (param: f32[16]) -> f32[4] {
  %start = ((f32[16]{0}), f32[4]{0}, u32[]) async-start(%param), calls=%started
  %update = ((f32[16]{0}), f32[4]{0}, u32[]) async-update(%start), calls=%started
  ROOT %done = f32[4]{0} async-done(%update), calls=%started
}
"""
    assert cost_of(text).collective_bytes == (("reduce-scatter", 48),)


# libtpu 0.0.52 wrote these fusions into a supernet step for v5e:2x4 with an fsdp axis of 4 (2026-11-27); what is not read was cut.
FUSIONS = """\
HloModule jit_on_mesh, is_scheduled=true, num_partitions=8

%all-reduce-scatter.12.clone.1 (input_0.6: bf16[768,1536], input_1.6: bf16[1536,768]) -> (bf16[192,1536], bf16[1536,192]) {
  %all-reduce.120 = (bf16[768,1536]{1,0:T(8,128)(2,1)}, bf16[1536,768]{0,1:T(8,128)(2,1)}) all-reduce(%input_0.6, %input_1.6), channel_id=1, replica_groups={{0,1,2,3},{4,5,6,7}}, use_global_device_ids=true, to_apply=%add.clone
  %dynamic-slice.344 = bf16[192,1536]{1,0:T(8,128)(2,1)S(1)} dynamic-slice(%get-tuple-element.8000, %multiply.246, %constant.1688), dynamic_slice_sizes={192,1536}
}

%fused_computation.797 (param_0.2754: s32[8,128]) -> (s32[8,128], s32[32,128], s32[2], u32[], u32[]) {
  %all-gather.40 = s32[32,128]{1,0:T(8,128)} all-gather(%param_0.2754), channel_id=89, replica_groups=[2,4]<=[8], dimensions={0}, backend_config={"async_collective_fusion_config":{"flag_start":"-1","flag_end":"-1"}}
  ROOT %custom-call.20 = (s32[8,128]{1,0:T(8,128)}, s32[32,128]{1,0:T(8,128)}) custom-call(%all-gather.40), custom_call_target="AsyncCollectiveStart"
}

%fused_computation.801 (param_0.2769: s32[8,128]) -> s32[32,128] {
  %all-gather.48 = s32[32,128]{1,0:T(8,128)} all-gather(%param_0.2769), channel_id=89, replica_groups=[2,4]<=[8], dimensions={0}, backend_config={"async_collective_fusion_config":{"flag_start":"2","flag_end":"8"}}
}

ENTRY %main.63_spmd (param.4: s32[8,128]) -> s32[32,128] {
  %fusion.743 = (bf16[192,1536]{1,0:T(8,128)(2,1)S(1)}, bf16[1536,192]{0,1:T(8,128)(2,1)S(1)}) fusion(%fusion.741, %fusion.742), kind=kCustom, calls=%all-reduce-scatter.12.clone.1
  %async-collective-start = (s32[8,128]{1,0:T(8,128)}, s32[32,128]{1,0:T(8,128)}) fusion(%broadcast_clamp_fusion.1), kind=kCustom, calls=%fused_computation.797
  %async-collective-done = s32[32,128]{1,0:T(8,128)} fusion(%get-tuple-element.10016), kind=kCustom, calls=%fused_computation.801
}
"""


def test_a_tpus_fusions_send_once_and_scatter_what_they_keep_a_part_of():
    assert dict(cost_of(FUSIONS).collective_bytes) == {"reduce-scatter": 3 * (2 * 2 * 768 * 1536) // 4, "all-gather": 3 * 4 * 8 * 128}


def test_a_permutation_onto_itself_sends_nothing():
    assert sent_bytes("collective-permute", "f32[4]", "%a), source_target_pairs={{0,0},{1,1}}", 2) == ("collective-permute", 0)


@pytest.mark.parametrize(
    ("result", "attributes", "message"),
    [
        ("f32[4]", "%a), to_apply=%add", r"replica_groups must be lists, \[groups,size\]<=\[...\] or axes of a mesh, got '%a\)"),
        ("c64[4]", "%a), replica_groups={}", r"array must be of a type of pred, .*, got c64\[4\]"),
    ],
)
def test_what_cannot_be_read_is_refused(result, attributes, message):
    with pytest.raises(ValueError, match=message):
        sent_bytes("all-reduce", result, attributes, 8)
