"""The run folder of a search in; its study, with more evaluations, out: any number of processes at once."""
