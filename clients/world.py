#!/usr/bin/env python3
"""What the clients' tests run against: a Redis, two instances of status-proxy and of preflight, and a port for each service
that leads to an instance that lives. Commands come by stdin, one a line; each is answered with a line of JSON.

    publish CHANNEL TEXT | hset FIELD VALUE
    cut | stall            connections break, or stand but carry nothing any more
    kill | drain           one instance of each service: SIGKILL or SIGTERM, then a new one; answered when it is ready
    down | up              all instances
    chaos SECONDS          200 numbered lines a second on each of the channels a and b, meanwhile the above in turns

Needs Python 3 alone. Variables for the services: as JSON in the first argument.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or Path(__file__).parents[1] / "target") / "debug"
RUN = "r;;1"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Redis:
    async def start(self, folder):
        self.port = free_port()
        self.process = await asyncio.create_subprocess_exec(
            "redis-server", "--port", str(self.port), "--save", "", "--notify-keyspace-events", "Kghxe",
            "--dir", folder, stdout=asyncio.subprocess.DEVNULL)
        while True:
            try:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
                return
            except OSError:
                await asyncio.sleep(0.05)

    async def command(self, *words):
        parts = [str(word).encode() for word in words]
        self.writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        answer = await self.reader.readline()
        if not answer.startswith(b":"):
            raise RuntimeError(f"redis says {answer}")


class Service:
    def __init__(self, name, variables):
        self.name, self.variables = name, variables
        self.processes, self.ports, self.connections = {}, [free_port(), free_port()], set()
        self.ready, self.turn, self.stalled = set(), 0, set()

    async def start(self):
        await asyncio.gather(*(self.spawn(index) for index in range(2)))
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def spawn(self, index):
        environment = {**os.environ, **self.variables, "LISTEN_ADDR": f"127.0.0.1:{self.ports[index]}"}
        self.processes[index] = await asyncio.create_subprocess_exec(
            str(TARGET / self.name), env=environment, stdout=open(os.environ.get("WORLD_LOG", os.devnull), "a"), stderr=asyncio.subprocess.STDOUT)
        url = f"http://127.0.0.1:{self.ports[index]}/ready"
        deadline = time.monotonic() + 60
        while True:
            try:
                await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=2).read())
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} is not ready after 60 s") from None
                await asyncio.sleep(0.1)
        self.ready.add(index)

    async def end(self, index, number):
        self.ready.discard(index)
        process = self.processes[index]
        process.send_signal(number)
        await process.wait()

    async def replace(self, number):
        self.turn = 1 - self.turn
        await self.end(self.turn, number)
        await self.spawn(self.turn)

    async def serve(self, reader, writer):
        # The instance that is replaced next comes first, so that each replacement meets clients.
        for index in sorted(self.ready, key=lambda index: index == self.turn):
            try:
                other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.ports[index])
                break
            except OSError:
                continue
        else:
            writer.transport.abort()
            return
        pair = (writer, other_writer)
        self.connections.add(pair)
        try:
            await asyncio.gather(self.pipe(pair, reader, other_writer), self.pipe(pair, other_reader, writer))
        except asyncio.CancelledError:
            return  # The end of the program.
        self.connections.discard(pair)
        self.stalled.discard(pair)

    async def pipe(self, pair, reader, writer):
        try:
            while data := await reader.read(65536):
                if pair not in self.stalled:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        if pair not in self.stalled or writer is pair[1]:
            writer.close()

    def cut(self):
        for pair in self.connections:
            for writer in pair:
                writer.transport.abort()


async def chaos(redis, services, seconds):
    published, over = 0, False

    async def publish():
        nonlocal published
        while not over:
            published += 1
            for channel in "ab":
                await redis.command("PUBLISH", f"{RUN}:{channel}", published)
            await asyncio.sleep(0.005)

    publisher = asyncio.create_task(publish())
    deadline, faults = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        await asyncio.sleep(1.5)  # An instance takes part in the recorded history when it has listened for a second.
        fault = ["kill", "cut", "drain", "stall"][faults % 4]
        await apply(redis, services, fault, [])
        faults += 1
    await asyncio.sleep(1)
    over = True
    await publisher
    return {"published": published, "faults": faults}


async def apply(redis, services, command, words):
    numbers = {"kill": signal.SIGKILL, "drain": signal.SIGTERM, "down": signal.SIGKILL}
    if command == "publish":
        await redis.command("PUBLISH", f"{RUN}:{words[0]}", words[1])
    elif command == "hset":
        await redis.command("HSET", RUN, *words)
    elif command in ("kill", "drain"):
        await asyncio.gather(*(service.replace(numbers[command]) for service in services))
    elif command == "down":
        await asyncio.gather(*(service.end(index, numbers["down"]) for service in services for index in range(2)))
    elif command == "up":
        await asyncio.gather(*(service.spawn(index) for service in services for index in range(2)))
    elif command == "cut":
        for service in services:
            service.cut()
    elif command == "stall":
        for service in services:
            service.stalled |= service.connections
    elif command == "chaos":
        return await chaos(redis, services, float(words[0]))
    else:
        raise ValueError(f"unknown command {command}")
    return {}


async def main():
    variables = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    redis, services = Redis(), []
    with tempfile.TemporaryDirectory() as folder:
        try:
            await redis.start(folder)
            common = {"REDIS_URL": f"redis://127.0.0.1:{redis.port}", "DRAIN_DELAY": "200ms", "DRAIN_TIMEOUT": "1s",
                      "STATUS_PING_INTERVAL": "500ms", "PREFLIGHT_PING_INTERVAL": "500ms", "STATUS_HISTORY": "redis", **variables}
            services = [Service("status-proxy", common), Service("preflight", common)]
            await asyncio.gather(*(service.start() for service in services))
            urls = [f"http://127.0.0.1:{service.port}" for service in services]
            print(json.dumps({"status": urls[0], "preflight": urls[1], "redis": redis.port, "run": RUN}), flush=True)
            lines = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
            while line := (await lines.readline()).decode():
                command, *words = line.rstrip("\n").split(" ", 2)
                print(json.dumps(await apply(redis, services, command, words)), flush=True)
        finally:
            processes = [process for service in services for process in service.processes.values()]
            for process in [*processes, redis.process]:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    os._exit(0)  # Connections that are still served need no farewell.


asyncio.run(main())
