#!/usr/bin/python3 -B
"""What the fleet costs: time, memory and ratios, as medians.

    make bench                        everything, some minutes
    tests/bench/run.py billing        or only one section: billing, coffee, gateway, supervisor, logs,
                                      queue

BUILD says where the programs are (default build). Exit code 1 when a figure is beyond its limit.
Only the ratios can be compared between machines: each has its floor measured in the same run.
"""
import argparse
import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[1:1] = [str(TESTS), str(TESTS / "scenario"), str(TESTS / "sandbox")]

import bench_billing  # noqa: E402
import bench_coffee  # noqa: E402
import bench_gateway  # noqa: E402
import bench_logs  # noqa: E402
import bench_queue  # noqa: E402
import bench_supervisor  # noqa: E402
from report import Report  # noqa: E402

SECTIONS = {"billing": bench_billing.measure, "coffee": bench_coffee.measure,
            "gateway": bench_gateway.measure,
            "supervisor": bench_supervisor.measure, "logs": bench_logs.measure,
            "queue": bench_queue.measure}


def main():
    parser = argparse.ArgumentParser(description="speed and memory of the fleet")
    parser.add_argument("section", nargs="*", metavar="|".join(SECTIONS), help="default: all")
    wanted = parser.parse_args().section or list(SECTIONS)
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        parser.error(f"no such section: {unknown[0]}; want {', '.join(SECTIONS)}")

    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"{cores} cores, load {load:.1f}")
    if load > cores / 2:
        print("The machine is busy: the figures are worse than they could be.")
    report = Report()
    for name in wanted:
        report.section(name)
        SECTIONS[name](report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
