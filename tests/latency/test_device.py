from bertnas_jax.latency import describe_host, device, usable_cores

CPUINFO = """\
processor\t: 0
model name\t: A CPU @ 2.00GHz
flags\t\t: fpu sse4_2 avx2 fma

processor\t: 1
model name\t: another
"""


def test_the_first_cores_fields():
    fields = device._cpuinfo_fields(CPUINFO)
    assert fields["model name"] == "A CPU @ 2.00GHz"
    assert fields["flags"].split() == ["fpu", "sse4_2", "avx2", "fma"]


def test_memory_in_gib():
    assert device._memory_gib("MemFree: 1 kB\nMemTotal:  8388608 kB\n") == 8
    assert device._memory_gib("nothing") is None


def test_this_host():
    host = describe_host()
    assert host.cpu
    assert host.cores == len(usable_cores())
    assert "avx2" in host.isa  # what the compiler needs, see compiler/targets.py
