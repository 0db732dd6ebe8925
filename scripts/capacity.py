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
    """The lines of the answer. Each shows its arithmetic."""

    def __init__(self, costs):
        self.share_of_core = costs["share_of_core"]
        self.memory_kb = costs["share_of_memory"] * costs["memory_gb"] * 1e6
        self.lines = []

    def processes(self, what, *terms):
        """How many processes of one core it takes to do this. A term is units a second, and µs a unit."""
        cores = sum(units * cost_us for units, cost_us in terms) / 1e6
        count = max(1, math.ceil(cores / self.share_of_core))
        sums = " + ".join(f"{units:,.0f}/s × {cost_us:g} µs" for units, cost_us in terms)
        self.lines.append(f"{what:22} {sums} = {cores:,.2f} cores → {count:,}")
        return count

    def machines(self, what, units, kb):
        """How many machines have the memory for so many units."""
        count = max(1, math.ceil(units * kb / self.memory_kb))
        self.lines.append(f"{what:22} {units:,.0f} × {kb:g} KB = {units * kb / 1e6:,.2f} GB → {count:,}")


def plan_viewers(plan, cost, args):
    deliveries, lines = args.units * args.lines, args.channels * args.lines
    instances = plan.processes("status-proxy", (deliveries, cost["delivery_us"]), (args.units, cost["idle_us"]))
    plan.machines("  machines by memory", args.units, cost["socket_kb"])
    plan.processes("haproxy", (deliveries, cost["haproxy_delivery_us"]), (args.units, cost["haproxy_idle_us"]))
    plan.machines("  machines by memory", args.units, cost["haproxy_socket_kb"])
    # An instance subscribes to what one of its viewers watches. Balanced by the least connections, a channel's viewers are everywhere.
    hearing = min(instances, args.units / args.channels)
    publish_us = cost["publish_us"] + cost["hearing_us"] * (hearing - 1)
    servers = plan.processes("Redis, PUBLISH", (lines, publish_us))
    shards = plan.processes("Redis, with history", (lines, publish_us + cost["record_us"]))
    plan.lines.append(f"each line is heard by {hearing:,.0f} of {instances:,} instances")
    if servers > 1:
        most = plan.share_of_core * 1e6 / (cost["forward_us"] + cost["hearing_us"])
        plan.lines.append(f"PUBLISH reaches every shard, so that a Cluster never carries more than {most:,.0f} lines/s:")
        plan.lines.append("use STATUS_SHARDED_PUBSUB, or several installations")
    elif shards > 1:
        plan.lines.append("PUBLISH fits one Redis; the history needs a Cluster")


def plan_work(plan, cost, args):
    if plan.processes("Redis", (args.units, cost["redis_us"])) == 1:
        plan.processes("instances", (args.units, cost["service_us"]))
        return
    plan.lines.append("one Redis is not enough, and on a Cluster a unit costs more:")
    plan.processes("shards of a Cluster", (args.units, cost["cluster_redis_us"]))
    plan.processes("instances", (args.units, cost["cluster_service_us"]))


def main():
    costs = tomllib.loads(COSTS.read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("load", choices=[name for name, cost in costs.items() if isinstance(cost, dict)])
    parser.add_argument("units", type=float, help="viewers, or units a second")
    parser.add_argument("--channels", type=float, default=1, help="channels that are watched")
    parser.add_argument("--lines", type=float, default=1, help="lines a second of each channel")
    args = parser.parse_args()
    plan = Plan(costs)
    (plan_viewers if args.load == "viewers" else plan_work)(plan, costs[args.load], args)
    print("\n".join(plan.lines))


if __name__ == "__main__":
    main()
