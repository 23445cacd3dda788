"""All benchmarks of the line, one after another: `python -m tests.benchmarks`. Minutes; on the loopback only."""

from __future__ import annotations

from tests.benchmarks import bench_live, bench_paging, bench_processes, bench_refer, bench_search, bench_webhook
from tests.benchmarks.stage import bench

if __name__ == "__main__":
    with bench() as made:
        for title, measure in (
            ("Webhook to reply", bench_webhook.measure),
            ("Paging", bench_paging.measure),
            ("Her word on the desk", bench_live.measure),
            ("More processes", bench_processes.measure),
        ):
            print(f"\n## {title}\n", flush=True)
            measure(made)
    print("\n## Finding\n", flush=True)
    bench_search.main("speed")
    print("\n## Referring\n", flush=True)
    bench_refer.main()
