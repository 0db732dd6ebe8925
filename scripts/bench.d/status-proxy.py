"""A peer for scripts/bench.d/status-proxy.sh: works like the Python original, with today's libraries. Every socket has its
own subscription, and its own loop that turns each message into JSON.

    status-proxy.py PORT REDIS_PORT
"""

import asyncio
import json
import sys

import redis.asyncio as redis
from websockets.asyncio.server import serve

PORT, REDIS_PORT = map(int, sys.argv[1:])


async def watch(socket):
    async with client.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe(socket.request.path.rsplit("/", 1)[-1])
        async for message in subscription.listen():
            await socket.send(json.dumps({"type": "status", "data": message["data"]}, separators=(",", ":")))


async def main():
    global client
    client = redis.Redis(port=REDIS_PORT, db=2, decode_responses=True, max_connections=20_000)
    async with serve(watch, "127.0.0.1", PORT, compression=None, ping_interval=None) as server:
        await server.serve_forever()


asyncio.run(main())
