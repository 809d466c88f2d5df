"""A result with something in every part, for tests that read or show results."""

from bench.histogram import Latencies
from bench.hops import END_TO_END
from bench.results import Result, Run, Sample


def a_run(name: str = "a 1", per_second: float = 5_000.0) -> Run:
    return Run(
        name=name,
        orders=10_000,
        distinct=10_000,
        rate=None,
        seconds=10_000 / per_second,
        per_second=per_second,
        cpu_s={"ordenes 0": 1.0, "ordenes 1": 0.5, "broker": 2.0},
        machine_busy_s=3.9,
        latencies={END_TO_END: Latencies(range(1_000, 90_000, 10)), "orden-actualizada → reader": Latencies([50])},
        windows=[Latencies([1_000, 2_000]), Latencies([3_000]), Latencies(), Latencies([4_000])],
        messages_per_commit={"crear-orden": 312.5},
        commits_per_second=64.0,
        messages_per_entry={"crear-orden": 250.0},
        state={"behind_changes": 900.0, "behind_s": 2.5, "catch_up_s": 3.0, "catch_up_per_s": 300.0},
        postgres={"wal_bytes": 12_345, "ordenes": {"tables": {"ordenes": {"bytes": 8_192}}}},
        samples=[Sample(n, {"broker": n / 2}, {"broker": 10**9 + n}, n / 10, {"ordenes.ordenes": n}) for n in range(4)],
    )


def a_result(*runs: Run, command: str = "compare") -> Result:
    return Result(
        command=command,
        options={"command": command, "quick": True, "rounds": 3, "rates": [1, 2], "use_env": False, "only": None},
        started_at="2026-01-02T03:04:05+00:00",
        environment={"machine": {"cores": 2, "cpu": "<made> & up"}, "git": {"revision": "0" * 40, "changed": True}},
        runs=runs or [a_run()],
        figures={"a orders/s": 5_000.0, "full": {"all × 1": ["ordenes 0"]}},
        ratios={"a/b": {"median": 0.95, "noise": 0.02, "rounds": [0.94, 0.95, 0.98]}},
        missing=["Transport: <not> measured"],
    )
