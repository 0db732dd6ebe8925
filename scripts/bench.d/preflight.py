"""A peer for scripts/bench.d/preflight.sh: the design of the Python original, written with today's libraries. One task
receives all notifications, reads the changed run, and sends the checklist to its viewers one after another.

    preflight.py PORT REDIS_PORT
"""

import asyncio
import collections
import json
import sys

import redis.asyncio as redis
from websockets.asyncio.server import serve

PORT, REDIS_PORT = map(int, sys.argv[1:])
NEWER = {
    "outlet": ("set_outlet", "build_channels"),
    "subcatchments": ("abstract_watershed", "build_channels"),
    "landuse": ("build_landuse", "abstract_watershed"),
    "soils": ("build_soils", "abstract_watershed", "build_landuse"),
    "climate": ("build_climate", "abstract_watershed"),
    "rap_ts": ("build_rap_ts", "build_climate"),
    "wepp": ("run_wepp", "build_landuse", "build_soils", "build_climate"),
    "observed": ("run_observed", "build_landuse", "build_soils", "build_climate", "run_wepp"),
    "debris": ("run_debris", "build_landuse", "build_soils", "build_climate", "run_wepp"),
    "watar": ("run_watar", "build_landuse", "build_soils", "build_climate", "run_wepp"),
    "dss_export": ("dss_export", "run_wepp"),
}
LOCKS = ("watershed", "climate", "wepp", "soils", "landuse", "disturbed")
viewers = collections.defaultdict(set)


async def checklist_message(run):
    fields = await client.hgetall(run)

    def newer(task, *others):
        time = lambda name: int(fields.get(f"timestamps:{name}", 0))
        return all(time(task) > time(other) for other in others)

    checklist = {"sbs_map": fields.get("attrs:has_sbs") == "true", "channels": "timestamps:build_channels" in fields}
    checklist |= {entry: newer(*tasks) for entry, tasks in NEWER.items()}
    locks = {name: fields.get(f"locked:{name}") == "true" for name in LOCKS}
    message = {"type": "preflight", "checklist": checklist, "lock_statuses": locks}
    return message | {"last_modified": int(fields.get("last_modified", 0))}


async def watch(socket):
    run = socket.request.path.rsplit("/", 1)[-1]
    viewers[run].add(socket)
    try:
        await socket.send(json.dumps(await checklist_message(run)))
        await socket.wait_closed()
    finally:
        viewers[run].discard(socket)


async def forward_changes():
    async with client.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.psubscribe("__keyspace@0__:*")
        async for notification in subscription.listen():
            run = notification["channel"].split(":", 1)[1]
            if viewers[run]:
                message = await checklist_message(run)
                for socket in list(viewers[run]):
                    await socket.send(json.dumps(message, separators=(",", ":")))


async def main():
    global client
    # A read waits if all connections of the pool are in use.
    pool = redis.BlockingConnectionPool(port=REDIS_PORT, decode_responses=True)
    client = redis.Redis(connection_pool=pool)
    async with serve(watch, "127.0.0.1", PORT, compression=None, ping_interval=None) as server:
        await asyncio.gather(server.serve_forever(), forward_changes())


asyncio.run(main())
