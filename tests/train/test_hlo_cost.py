"""Costs read off compiled text.

LOOP is recorded: libtpu 0.0.52 compiled, for v5e:2x2 under a data axis of 4, a scan of 8 steps whose body is a
`lax.switch` of a product of 1024 channels and one of 512 (2026-11-22); shapes' layouts, metadata and whatever
is not read were cut from it. COLLECTIVES holds lines recorded from a supernet step there, put together; of its groups
only the first line's were recorded, and the permutation's pairs are a ring.
"""

import pytest

from bertnas_jax.train.hlo_cost import HloCost, cost_of

LOOP = """\
HloModule jit_f, is_scheduled=true, num_partitions=4

%fused_computation.4 (param_0.6: f32[1024,1024], param_1.4: bf16[1024,1024]) -> f32[1024,1024] {
  ROOT %convolution.9 = f32[1024,1024]{1,0:T(8,128)S(1)} convolution(%param_0.6, %param_1.4), dim_labels=bf_io->bf
}

%region_1.1_spmd (param: (f32[1024,1024], bf16[1024,1024])) -> (f32[1024,1024]) {
  %fusion.3 = f32[1024,1024]{1,0:T(8,128)S(1)} fusion(%get-tuple-element.58, %get-tuple-element.59), kind=kOutput, calls=%fused_computation.4, backend_config={"window_config":{"estimated_cycles":"16640"}}
  ROOT %tuple.9 = (f32[1024,1024]{1,0:T(8,128)S(1)}) tuple(%fusion.3)
}

%region_2.2_spmd (param.1: (f32[1024,1024], bf16[1024,1024])) -> (f32[1024,1024]) {
  %fusion = f32[1024,1024]{1,0:T(8,128)S(1)} fusion(%get-tuple-element.61, %get-tuple-element.60), kind=kOutput, calls=%fused_computation.4, backend_config={"window_config":{"estimated_cycles":"8448"}}
  ROOT %tuple.10 = (f32[1024,1024]{1,0:T(8,128)S(1)}) tuple(%fusion)
}

%wide.region_0.3_spmd.sunk (wide.param.0: (s32[], f32[1024,1024], bf16[8,1024,1024], s32[], s32[])) -> (s32[], f32[1024,1024], bf16[8,1024,1024], s32[], s32[]) {
  %dynamic-slice_bitcast_fusion.2 = bf16[1024,1024]{1,0:T(8,128)(2,1)S(1)} fusion(%get-tuple-element.113, %copy.4), kind=kLoop, calls=%fused_computation.4, backend_config={"window_config":{"estimated_cycles":"15377"}}
  %conditional.2 = (f32[1024,1024]{1,0:T(8,128)S(1)}) conditional(%get-tuple-element.114, %tuple.27, %tuple.27), branch_computations={%region_1.1_spmd, %region_2.2_spmd}
}

%wide.region_3.4_spmd (wide.param.3: (s32[], f32[1024,1024], bf16[8,1024,1024], s32[], s32[])) -> pred[] {
  %constant.6.clone.1 = s32[]{:T(128)} constant(8)
  ROOT %lt.1 = pred[]{:T(512)} compare(%get-tuple-element.120, %constant.6.clone.1), direction=LT
}

ENTRY %main.5_spmd (param.4: f32[1024,1024], param.5: f32[8,1024,1024], param.6: s32[]) -> f32[1024,1024] {
  %convert.1 = bf16[8,1024,1024]{2,1,0:T(8,128)(2,1)S(1)} convert(%param.5), backend_config={"window_config":{"estimated_cycles":"252768"}}
  %while.11 = (s32[]{:T(128)}, f32[1024,1024]{1,0:T(8,128)S(1)}, bf16[8,1024,1024]{2,1,0:T(8,128)(2,1)S(1)}, s32[]{:T(128)}, s32[]{:T(128)}) while(%tuple.34), condition=%wide.region_3.4_spmd, body=%wide.region_0.3_spmd.sunk
  ROOT %copy.7 = f32[1024,1024]{1,0:T(8,128)S(1)} copy(%get-tuple-element.116), backend_config={"window_config":{"estimated_cycles":"272"}}
}
"""

COLLECTIVES = """\
HloModule jit_f, is_scheduled=true, num_partitions=4

ENTRY %main.2_spmd (param: f32[8,128]) -> f32[128,128] {
  %all-reduce.1 = f32[384,2]{0,1:T(2,128)S(1)} all-reduce(%fusion.571), channel_id=2, replica_groups=mesh['axis_0'=4] {'axis_0'}, use_global_device_ids=true, to_apply=%add.clone
  %all-reduce.105 = (f32[384]{0:T(512)S(1)}, /*index=5*/f32[384,384]{1,0:T(8,128)S(1)}) all-reduce(%get-tuple-element.5, /*index=1*/%fusion.2), channel_id=3, replica_groups=mesh['axis_0'=4] {'axis_0'}, to_apply=%add.1.clone
  %collective-permute-start.75 = (bf16[192,768]{1,0:T(8,128)(2,1)S(1)}, bf16[192,768]{1,0:T(8,128)(2,1)S(1)}, u32[]{:S(2)}, u32[]{:S(2)}) collective-permute-start(%get-tuple-element.7300), channel_id=24, source_target_pairs={{0,1},{1,2},{2,3},{3,0}}
  %collective-permute-done.75 = bf16[192,768]{1,0:T(8,128)(2,1)S(1)} collective-permute-done(%collective-permute-start.75)
  ROOT %all-gather.406 = bf16[64,128,384]{2,1,0:T(8,128)(2,1)S(1)} all-gather(%copy.445), channel_id=31, replica_groups=mesh['axis_0'=4] {'axis_0'}, dimensions={0}
}
"""


def test_a_loop_costs_its_trips_times_its_body_and_a_conditional_its_dearest_branch():
    assert cost_of(LOOP) == HloCost(252768 + 8 * (15377 + 16640) + 272)


def test_a_loop_over_what_only_the_run_knows_makes_the_most_trips():
    text = LOOP.replace("constant(8)", "parameter(8)")
    assert cost_of(text, most_trips=12) == HloCost(252768 + 12 * (15377 + 16640) + 272)


def test_of_a_row_of_loops_of_which_one_runs_the_dearest_counts():
    loop = "  %while.{} = (s32[]) while(%t), condition=%wide.region_3.4_spmd, body=%region_{}_spmd, metadata={{op_name=\"jit(f)/one_of_{}/while\"}}\n"
    rows = [loop.format(7, "1.1", 0), loop.format(8, "2.2", 1), loop.format(9, "2.2", 0), loop.format(10, "2.2", 1)]
    text = LOOP.replace("  ROOT %copy.7", "".join(rows) + "  ROOT %copy.7")
    assert cost_of(text).cycles == cost_of(LOOP).cycles + 16640 + 8448


def test_collectives_are_added_up_by_kind():
    assert dict(cost_of(COLLECTIVES).collective_bytes) == {
        "all-reduce": 2 * 3 * (384 * 2 + 384 + 384 * 384),
        "collective-permute": 2 * 192 * 768,
        "all-gather": 2 * 3 * 16 * 128 * 384,
    }


def test_a_collective_in_a_loop_counts_each_time():
    inner = '  %all-reduce.9 = f32[16]{0:T(128)} all-reduce(%copy.4), replica_groups={{0,1,2,3}}, to_apply=%add\n  %conditional.2 ='
    assert dict(cost_of(LOOP.replace("  %conditional.2 =", inner)).collective_bytes) == {"all-reduce": 8 * 2 * 3 * 16}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("HloModule empty\n", "must have an ENTRY, got 'HloModule empty"),
        (LOOP.replace("constant(8)", "parameter(8)"), r"a loop must count up to one constant, got \[\] in wide.region_3.4_spmd"),
    ],
)
def test_text_that_cannot_be_priced_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        cost_of(text)
