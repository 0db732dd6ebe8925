"""Waits until every service has an instance that takes clients, then checks the six paths. Exits with 0 if all of them work."""

import sys
import urllib.error

from paths import PATHS
from stack import ENTRY, STATISTICS, CheckFailed, http, make_topic, ready_counts, wait_until


def all_ready():
    try:
        counts = ready_counts()
    except OSError:
        return None
    return counts if all(counts.values()) else None


def check_entry():
    """haproxy: the pages of all services under one entry"""
    for path in ["/", "/scenario-player/", "/scenario-player/docs/", "/preflight/", "/status-proxy?run=a", "/object-store/info", "/kafka-ingester/metrics", "/etl-worker/metrics"]:
        if not http("GET", f"{ENTRY}{path}"):
            raise CheckFailed(f"{ENTRY}{path} is empty")
    if "haproxy_server_status" not in http("GET", f"{STATISTICS}/metrics"):
        raise CheckFailed(f"{STATISTICS}/metrics has no metrics")
    print(f"  {ENTRY}/ and the pages behind it, {STATISTICS}/metrics", flush=True)


def main():
    print("\n== waiting until all services are ready", flush=True)
    make_topic()
    try:
        counts = wait_until("an instance of each service that takes clients", all_ready, within=180)
    except CheckFailed as reason:
        sys.exit(f"{reason}; {STATISTICS}/ shows which instances are missing")
    print("  " + ", ".join(f"{service}: {count}" for service, count in counts.items()), flush=True)
    failed = []
    for path in [check_entry, *PATHS]:
        print(f"\n== {path.__doc__}", flush=True)
        try:
            path()
        except (CheckFailed, OSError, TimeoutError, urllib.error.URLError) as reason:
            print(f"  FAILED: {reason}", flush=True)
            failed.append(path.__name__)
    if failed:
        sys.exit(f"\nfailed: {', '.join(failed)}")
    print(f"\n== all {len(PATHS)} paths work", flush=True)


main()
