#!/usr/bin/env python3
"""How many instances and shards a load needs, by what a unit of work costs (deploy/capacity.toml).

    scripts/capacity.py viewers 1000000 --channels 20000 --lines 0.2
    scripts/capacity.py messages 1000000

`viewers` is a number of browsers, `--channels` of channels that they watch, and `--lines` the lines a second of each channel.
The others are units a second: `messages` from Kafka, `steps` of customers, `games`, `objects` stored and read.
"""

import argparse
import math
import tomllib
from pathlib import Path

COSTS = Path(__file__).parent.parent / "deploy" / "capacity.toml"


class Plan:
    """The lines of the answer. A line shows its arithmetic."""

    def __init__(self, costs):
        self.core, self.memory_kb = costs["core"], costs["core"] * costs["memory_gb"] * 1e6
        self.lines = []

    def cores(self, what, *terms):
        """Terms are pairs of units a second, and µs a unit. Returns how many processes of one core that takes."""
        cores = sum(units * cost for units, cost in terms) / 1e6
        count = max(1, math.ceil(cores / self.core))
        sums = " + ".join(f"{units:,.0f}/s × {cost:g} µs" for units, cost in terms)
        self.lines.append(f"{what:14} {sums} = {cores:,.2f} cores → {count:,}")
        return count

    def memory(self, what, units, kb):
        """Returns how many machines that many units fill."""
        count = max(1, math.ceil(units * kb / self.memory_kb))
        self.lines.append(f"{what:14} {units:,.0f} × {kb:g} KB = {units * kb / 1e6:,.1f} GB → {count:,} machines")
        return count


def viewers(plan, cost, args):
    deliveries = args.units * args.lines
    lines = args.channels * args.lines
    instances = plan.cores("status-proxy", (deliveries, cost["delivery_us"]), (args.units, cost["idle_us"]))
    plan.memory("", args.units, cost["socket_kb"])
    plan.cores("haproxy", (deliveries, cost["haproxy_delivery_us"]))
    plan.memory("", args.units, cost["haproxy_socket_kb"])
    # An instance hears a channel that one of its viewers watches.
    hearing = min(instances, args.units / args.channels)
    publish_us = cost["publish_us"] + cost["hearing_us"] * (hearing - 1)
    plan.cores("Redis, PUBLISH", (lines, publish_us))
    plan.cores("Redis, history", (lines, cost["record_us"]))
    return f"each line is heard by {hearing:,.0f} of {instances:,} instances"


def work(plan, cost, args):
    plan.cores("service", (args.units, cost["service_us"]))
    shards = plan.cores("Redis", (args.units, cost["redis_us"]))
    return "one Redis is enough" if shards == 1 else f"a Cluster of {shards:,} shards, each with a replica"


def main():
    costs = tomllib.loads(COSTS.read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("load", choices=[name for name, cost in costs.items() if isinstance(cost, dict)])
    parser.add_argument("units", type=float, help="viewers, or units a second")
    parser.add_argument("--channels", type=float, default=1, help="channels that are watched")
    parser.add_argument("--lines", type=float, default=1, help="lines a second of each channel")
    args = parser.parse_args()
    plan = Plan(costs)
    conclusion = (viewers if args.load == "viewers" else work)(plan, costs[args.load], args)
    print("\n".join(plan.lines))
    print(conclusion)


if __name__ == "__main__":
    main()
