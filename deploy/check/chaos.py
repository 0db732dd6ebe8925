"""Scales, kills and restarts the stack's containers under load, and fails if more is lost than the services promise.

usage: chaos.py scale | kill | restart …      COMPOSE is the compose command, files included
"""

import os
import shlex
import subprocess
import sys
import time

from workloads import Batteries, Viewers, Walkers
from stack import CheckFailed, make_topic, ready_counts, wait_until

COMPOSE = shlex.split(os.environ["COMPOSE"])
DOCKER = shlex.split(os.environ.get("DOCKER", "docker"))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise CheckFailed(f"{shlex.join(command)}: {done.stderr[-800:]}")
    return done.stdout.split()


def scale(**counts):
    """Scales these services, and waits until haproxy sends clients to that many instances."""
    counts = {service.replace("_", "-"): count for service, count in counts.items()}
    began = time.monotonic()
    scales = [part for service, count in counts.items() for part in ("--scale", f"{service}={count}")]
    run(*COMPOSE, "up", "-d", "--no-deps", "--no-recreate", *scales, *counts)
    returned = time.monotonic() - began
    wait_until(f"{counts} ready", lambda: all(ready_counts()[service] == count for service, count in counts.items()), within=60)
    print(f"  {counts}: the command took {returned:.1f} s, and haproxy sent clients to them after {time.monotonic() - began:.1f} s", flush=True)


def all_ready():
    try:
        return all(ready_counts().values())
    except OSError:
        return False


def fail_if_any(faults):
    """`faults` maps what must not happen to how often it did."""
    found = {fault: count for fault, count in faults.items() if count}
    if found:
        raise CheckFailed(", ".join(f"{fault}: {count}" for fault, count in found.items()))


def scale_under_load():
    """status-proxy is scaled to 2, 5 and 2 instances under 500 viewers; scenario-player and kafka-ingester to 1, 4 and 2"""
    scale(status_proxy=2, scenario_player=1, kafka_ingester=1)
    viewers, walkers, batteries = Viewers(250, 10), Walkers(50, 75), Batteries(200)
    scale(status_proxy=5, scenario_player=4, kafka_ingester=4)
    viewers.join(250)  # mostly to the new instances, which have the fewest connections
    time.sleep(10)
    scale(status_proxy=2, scenario_player=2, kafka_ingester=2)
    time.sleep(10)
    for load in (viewers, walkers, batteries):
        load.finish()
    fail_if_any({"failed connection attempts": len(viewers.failed), "lines missing": viewers.missing, "lines repeated or out of order": len(viewers.misplaced),
           "not recovered": viewers.unrecovered, "gaps": viewers.gaps, "steps lost": walkers.lost, "steps repeated": walkers.repeated,
           "customers with steps out of order": walkers.out_of_order, "posts refused": len(walkers.refused),
           "messages lost or applied twice": abs(batteries.surplus), "messages not in Kafka": batteries.unsent, "batteries stale": batteries.stale})
    if not viewers.reconnects:
        raise CheckFailed("no viewer had to reconnect, so this run tests nothing")


def kill_under_load():
    """an instance of status-proxy, scenario-player and kafka-ingester is killed (SIGKILL) under load"""
    scale(status_proxy=3, scenario_player=2, kafka_ingester=2)
    viewers, walkers, batteries = Viewers(500, 10), Walkers(50, 45), Batteries(200)
    time.sleep(5)
    for service in ("status-proxy", "scenario-player", "kafka-ingester"):
        container = run(*COMPOSE, "ps", "-q", service)[0]
        run(*DOCKER, "kill", "--signal", "KILL", container)
        print(f"  killed one instance of {service}", flush=True)
        time.sleep(5)
    time.sleep(10)
    for load in (viewers, walkers, batteries):
        load.finish()
    scale(status_proxy=2, scenario_player=1, kafka_ingester=1)
    # A published step may be repeated, because its acknowledgement was lost with the instance.
    fail_if_any({"failed connection attempts": len(viewers.failed), "lines missing": viewers.missing, "lines repeated or out of order": len(viewers.misplaced),
           "not recovered": viewers.unrecovered, "gaps": viewers.gaps, "steps lost": walkers.lost,
           "customers with steps out of order": walkers.out_of_order,
           "messages lost or applied twice": abs(batteries.surplus), "messages not in Kafka": batteries.unsent, "batteries stale": batteries.stale})
    if not viewers.reconnects:
        raise CheckFailed("no viewer had to reconnect, so this run tests nothing")


def restart_under_load():
    """redis, kafka and mosquitto are restarted one at a time under load; all services become ready again by themselves"""
    scale(status_proxy=2, scenario_player=2, kafka_ingester=2)
    viewers, walkers, batteries = Viewers(100, 10), Walkers(20, 90), Batteries(100)
    before = ready_counts()
    for server in ("redis", "kafka", "mosquitto"):
        time.sleep(5)
        began = time.monotonic()
        run(*COMPOSE, "restart", server)
        took = time.monotonic() - began
        time.sleep(2)  # haproxy has checked the instances since
        wait_until(f"all of {before} ready", lambda: ready_counts() == before, within=90)
        print(f"  {server}: the restart took {took:.1f} s, and all instances were ready {time.monotonic() - began:.1f} s after it began", flush=True)
    for load in (viewers, walkers, batteries):
        load.finish()
    scale(status_proxy=2, scenario_player=1, kafka_ingester=1)
    # While Redis is down, status lines are lost and posts are refused, as the READMEs of the services say. All else must
    # be complete.
    fail_if_any({"lines missing without a gap frame": viewers.missing, "lines repeated or out of order": len(viewers.misplaced), "steps lost": walkers.lost,
           "customers with steps out of order": walkers.out_of_order,
           "messages lost or applied twice": abs(batteries.surplus), "batteries stale": batteries.stale})


DISRUPTIONS = {"scale": scale_under_load, "kill": kill_under_load, "restart": restart_under_load}


def main():
    make_topic()
    wait_until("an instance of each service that takes clients", all_ready, within=180)
    failed = []
    for name in sys.argv[1:]:
        print(f"\n== {DISRUPTIONS[name].__doc__}", flush=True)
        try:
            DISRUPTIONS[name]()
            print("  nothing was lost or repeated beyond what the services promise", flush=True)
        except CheckFailed as reason:
            print(f"  FAILED: {reason}", flush=True)
            failed.append(name)
    if failed:
        sys.exit(f"\nfailed: {', '.join(failed)}")


main()
