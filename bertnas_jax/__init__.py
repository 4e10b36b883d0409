"""Give it a BERT-family checkpoint, a task, a device and a latency budget.

Get back the most accurate sub-network that meets the budget, compiled and exported.
"""
