"""Waits until every service has an instance that takes clients, then shows the six paths. Exits with 0 if all of them work."""

import sys
import urllib.error

from paths import PATHS
from world import ENTRY, STATISTICS, Silent, http, make_topic, ready, until


def all_ready():
    try:
        counts = ready()
    except OSError:
        return None
    return counts if all(counts.values()) else None


def entry():
    """haproxy: the pages of all services under one entry"""
    for path in ["/", "/scenario-player/", "/scenario-player/docs/", "/preflight/", "/status-proxy?run=a", "/object-store/info", "/kafka-ingester/metrics", "/etl-worker/metrics"]:
        if not http("GET", f"{ENTRY}{path}"):
            raise Silent(f"{ENTRY}{path} is empty")
    if "haproxy_server_status" not in http("GET", f"{STATISTICS}/metrics"):
        raise Silent(f"{STATISTICS}/metrics has no metrics")
    print(f"  {ENTRY}/ and what it leads to, {STATISTICS}/metrics", flush=True)


def main():
    print("\n== waiting until all services are ready", flush=True)
    make_topic()
    try:
        counts = until("an instance of each service that takes clients", all_ready, within=180)
    except Silent as reason:
        sys.exit(f"{reason}; {STATISTICS}/ shows which are missing")
    print("  " + ", ".join(f"{service}: {count}" for service, count in counts.items()), flush=True)
    silent = []
    for path in [entry, *PATHS]:
        print(f"\n== {path.__doc__}", flush=True)
        try:
            path()
        except (Silent, OSError, TimeoutError, urllib.error.URLError) as reason:
            print(f"  SILENT: {reason}", flush=True)
            silent.append(path.__name__)
    if silent:
        sys.exit(f"\nnot all was seen: {', '.join(silent)}")
    print(f"\n== all {len(PATHS)} paths were seen", flush=True)


main()
