from bertnas_jax.report.parse import parse
from bertnas_jax.report.recommendation import recommend
from bertnas_jax.report.summary import Summary
from tests.report.run_folders import FILE_LIMIT, GPU_LIMIT, LIMIT, PHONE_LIMIT, for_phones, limited, missed, summary


def recommended(**changes):
    return recommend(parse(Summary, summary(**changes), "summary"))


def test_a_winner_that_meets_the_budget_is_recommended():
    assert recommended() == (
        "Use the 2-block sub-network: 81.9 % accuracy (teacher 83.5 %), 8.00 ms on host by TVM with 1 thread, "
        "20.0x as fast as BERT-base on TFLite; it meets the budget of 9.00 ms (measured)."
    )


def test_a_winner_over_the_budget_is_not():
    assert recommended(**missed()) == (
        "Do not use the 2-block sub-network for this budget: 9.90 ms on host by TVM with 1 thread, it misses the budget of 9.00 ms "
        "by 10.0 % (measured), at 81.9 % accuracy (teacher 83.5 %); allow more latency or widen the search space towards smaller nets."
    )


def test_a_winner_under_the_budget_by_too_little_is_not():
    text = recommended(budget=limited(compliant=False), winner={"compliant": False})
    assert text.startswith("Do not use")
    assert "it misses the budget of 9.00 ms, as its median is under it by less than the margin for noise (measured)" in text


def test_a_budget_asked_for_as_a_factor_is_told_as_one():
    budget = limited(speedup_over_bert_base=12.0)
    assert "20.0x as fast as BERT-base on TFLite; it meets the budget of 12.0x BERT-base (measured)." in recommended(budget=budget)
    budget = limited(speedup_over_bert_base=12.0, speedup_vs_tflite_bert_base=10.0, compliant=False)
    missing = recommended(budget=budget, winner={"compliant": False}, speedup_vs_tflite_bert_base=10.0)
    assert "it misses the budget of 12.0x BERT-base by 20.0 % (measured)" in missing


def test_a_simulated_latency_is_called_so_with_its_interval():
    assert recommended(**for_phones()) == (
        "Use the 2-block sub-network: 81.9 % accuracy (teacher 83.5 %), 25.0 ms on pixel_4 (1 large) by TFLite (simulated, 90 % between "
        "22.5 and 27.5 ms, some 26.9 mJ), 16.0x as fast as BERT-base on TFLite; it meets the budget of 30.0 ms (simulated, not measured)."
    )


def test_a_budget_asked_for_as_an_energy_is_told_as_one():
    assert "it meets the budget of 32.3 mJ (simulated" in recommended(**for_phones(PHONE_LIMIT | {"energy_mj": 32.3}))


def test_several_limits_are_told_together():
    text = recommended(**for_phones(PHONE_LIMIT, GPU_LIMIT, sizes=[FILE_LIMIT]))
    assert text.endswith("it meets all 3 limits of the budget (simulated, not measured).")
    mixed = recommended(budget={"limits": [LIMIT, PHONE_LIMIT]}, winner={"evidence": "simulated"})
    assert mixed.endswith("it meets all 2 limits of the budget (measured on this machine, simulated elsewhere).")


def test_those_that_are_missed_are_named():
    wide = GPU_LIMIT | {"high_ms": 7.0, "compliant": False}
    large = FILE_LIMIT | {"value": 12.5, "compliant": False}
    missing = for_phones(PHONE_LIMIT, wide, sizes=[large])
    text = recommended(**missing | {"winner": {"evidence": "simulated", "compliant": False}})
    assert "3.00 ms on galaxy_s20 (gpu) by TFLite (simulated, 90 % between 1.50 and 7.00 ms), it misses the budget of 6.00 ms, as" in text
    assert "12.5 MB of at most 12 (simulated, not measured)" in text and "pixel_4" not in text


def test_a_correlation_is_not_in_percent():
    told = {"task": {"metric": "spearman"}, "teacher": {"metric": "spearman"}, "winner": {"metric": "spearman"}}
    assert "0.819 Spearman correlation (teacher 0.835)" in recommended(**told)
