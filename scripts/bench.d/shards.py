"""What a unit of work costs on one Redis, and on a Redis Cluster of one, two and three shards: CPU time of the service and of Redis.

    shards.py BIN FOLDER [SERVICE…]

The servers are started in FOLDER on free ports of 127.0.0.1. A shard has no replica here.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import redis
from confluent_kafka import Producer
from websockets.asyncio.client import connect

BIN, FOLDER = map(pathlib.Path, sys.argv[1:3])
SHARDS = [0, 1, 2, 3]  # 0 is one Redis that is no Cluster
LIMIT = 1.5  # of the CPU on one Redis


def free_port():
    """Below the range of outgoing connections, and so that a node's bus, 10,000 higher, has a port too."""
    while True:
        port = 10_000 + int.from_bytes(os.urandom(2), "big") % 20_000
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_until(what, is_so, limit_s=120):
    deadline = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


class Processes:
    """What was started; all of it ends with the `with` block."""

    def __init__(self):
        self.started = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.started:
            process.terminate()
        for process in self.started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()

    def start(self, name, command, **options):
        log = open(FOLDER / f"{name}-{len(self.started)}.log", "w")
        process = subprocess.Popen([str(word) for word in command], cwd=FOLDER, stderr=log, **{"stdout": log, **options})
        self.started.append(process)
        return process

    def start_service(self, name, url, **variables):
        """Returns its process and its port, when it is ready."""
        port = free_port()
        variables |= {"REDIS_URL": url, "LISTEN_ADDR": f"127.0.0.1:{port}", "DRAIN_DELAY": "0", "LOG_LEVEL": "WARN"}
        process = self.start(name, [BIN / name], env=os.environ | variables)
        wait_until(f"{name} is ready", lambda: get(port, "/ready") is not None)
        return process, port


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def metric(port, name):
    lines = (get(port, "/metrics") or "").splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def cpu_s(processes):
    """The CPU time of these processes, in seconds."""
    total = 0
    for process in processes:
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Redis:
    """One Redis, or a Cluster of so many shards."""

    def __init__(self, processes, shards):
        self.ports = [free_port() for _ in range(max(shards, 1))]
        cluster = ["--cluster-enabled", "yes"] if shards else []
        self.processes = [
            processes.start("redis", ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", FOLDER]
                            + ["--notify-keyspace-events", "Kghx", "--enable-debug-command", "no"]
                            + (cluster + ["--cluster-config-file", f"nodes-{port}.conf"] if shards else []))
            for port in self.ports
        ]  # fmt: skip
        nodes = [redis.Redis(port=port) for port in self.ports]
        for node in nodes:
            wait_until("redis answers", lambda node=node: answers(node))
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.url = f"redis-cluster://{hosts}" if shards else f"redis://{hosts}"
        for number, node in enumerate(nodes[:shards]):
            first, end = 16_384 * number // shards, 16_384 * (number + 1) // shards
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[0])
        for node in nodes[:shards]:
            is_whole = lambda node=node: f"cluster_size:{shards}\r\n" in raw_info(node) and "cluster_state:ok" in raw_info(node)
            wait_until("the Cluster is whole", is_whole)
        self.any = nodes[0]
        self.client = redis.RedisCluster("127.0.0.1", self.ports[0]) if shards else nodes[0]


def answers(node):
    with contextlib.suppress(redis.ConnectionError):
        return node.ping()


def raw_info(node):
    info = node.execute_command("CLUSTER INFO")
    return info if isinstance(info, str) else "".join(f"{name}:{value}\r\n" for name, value in info.items())


def with_viewers(port, names, receive, publish):
    """Has a viewer of each of these receive all that `publish` has sent to them. Returns what `publish` has, called when all are there."""

    async def view(ready, name):
        async with connect(f"ws://127.0.0.1:{port}/{name}", compression=None) as viewer:
            ready.release()
            await receive(viewer)

    async def run():
        ready = asyncio.Semaphore(0)
        viewers = [asyncio.create_task(view(ready, name)) for name in names]
        for _ in viewers:
            await ready.acquire()
        published = await publish()
        await asyncio.wait_for(asyncio.gather(*viewers), 60)
        return published

    return asyncio.run(run())


# Each of these does so many units of work through a service, and returns their number and the CPU time: the service's, and Redis'.


def status_proxy(processes, world):
    """A line, recorded, to one viewer."""
    service, port = processes.start_service("status-proxy", world.url, STATUS_HISTORY="redis")
    channels, lines = [f"run{number}:log" for number in range(100)], 200
    partitions = 64 if world.url.startswith("redis-cluster") else 1
    wait_until("it records", lambda: metric(port, "status_proxy_is_recorder") == partitions)

    async def receive(viewer):
        seen = 0
        while seen < lines:
            seen += json.loads(await viewer.recv())["type"] == "status"

    async def publish():
        began = cpu_s([service]), cpu_s(world.processes)
        for number in range(lines):
            pipeline = world.any.pipeline(transaction=False)
            for channel in channels:
                pipeline.execute_command("PUBLISH", channel, f"line {number} of {channel}")
            await asyncio.to_thread(pipeline.execute)
        return began

    began = with_viewers(port, channels, receive, publish)
    wait_until("all are recorded", lambda: metric(port, "status_proxy_recorded_lines_total") >= len(channels) * lines)
    return len(channels) * lines, began, (cpu_s([service]), cpu_s(world.processes))


def preflight(processes, world):
    """A change of a run that one viewer watches."""
    service, port = processes.start_service("preflight", world.url)
    runs, changes = [f"run{number}" for number in range(100)], 100

    async def receive(viewer):
        last = 0
        while last != changes:
            last = json.loads(await viewer.recv()).get("last_modified", last)

    async def publish():
        began = cpu_s([service]), cpu_s(world.processes)
        for number in range(1, changes + 1):
            due = asyncio.create_task(asyncio.sleep(0.1))  # slow enough that each change is a read
            for run in runs:
                await asyncio.to_thread(world.client.hset, run, "timestamps:run_wepp", number)
            await due
        return began

    began = with_viewers(port, runs, receive, publish)
    return len(runs) * changes, began, (cpu_s([service]), cpu_s(world.processes))


def kafka_ingester(processes, world):
    """A message of 100 bytes and 6 fields, of 10,000 keys."""
    partitions, messages = 4, 120_000  # what the mock cluster keeps of a partition is bounded
    command = [BIN / "examples" / "kafka_demo", "bench", partitions]
    mock = processes.start("kafka", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    broker = mock.stdout.readline().strip().removeprefix("KAFKA_BROKER=")
    producer = Producer({"bootstrap.servers": broker, "queue.buffering.max.messages": messages})
    for number in range(messages):
        fields = {"battery_id": number % 10_000, "soc": number % 100, "voltage": 402.5, "amps": -12, "celsius": 31, "n": number}
        producer.produce("bench", json.dumps(fields), partition=number % partitions)
        if number % 1_000 == 0:
            producer.poll(0)
    producer.flush(60)
    idle = cpu_s(world.processes)
    variables = {"KAFKA_TOPIC": "bench", "KAFKA_BROKER": broker, "KAFKA_GROUP": "bench"}
    service, port = processes.start_service("kafka-ingester", world.url, **variables)
    wait_until("all are applied", lambda: metric(port, "kafka_ingester_messages_applied_total") >= messages)
    return messages, (0, idle), (cpu_s([service]), cpu_s(world.processes))


def scenario_player(processes, world):
    """A step: posted, kept, published and acknowledged."""
    mqtt, customers, steps = free_port(), 200, 250
    processes.start("mosquitto", ["mosquitto", "-p", mqtt])
    variables = {"USE_REDIS_BACKEND": "true", "MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(mqtt), "CONSUME_FROM": "earliest"}
    service, port = processes.start_service("scenario-player", world.url, **variables)
    began = cpu_s([service]), cpu_s(world.processes)
    post = [BIN / "examples" / "scenario-bench", "post", f"http://127.0.0.1:{port}", customers, steps, 0, 100]
    subprocess.run([str(word) for word in post], check=True, stdout=subprocess.DEVNULL)
    name = "scenario_player_events_published_total"
    wait_until("all are published", lambda: metric(port, name) >= customers * steps)
    return customers * steps, began, (cpu_s([service]), cpu_s(world.processes))


def etl_worker(processes, world):
    """A game of 8 players, 500 in a file."""
    games = 3_000
    play = [BIN / "examples" / "simulate-games", "--redis-url", world.url, "--games", games, "--copies", 0]
    subprocess.run([str(word) for word in play], check=True, stdout=subprocess.DEVNULL)
    idle = cpu_s(world.processes)
    output = FOLDER / f"tables-{world.ports[0]}"
    output.mkdir()
    variables = {"ETL_OUTPUT": str(output), "ETL_BATCH_GAMES": "500", "ETL_SETTLE": "1s", "WORKER_CHANNEL": "CLEAN"}
    service, port = processes.start_service("etl-worker", world.url, **variables)
    # Of some games only a message says that they ended, and none is sent here.
    written = lambda: metric(port, "etl_worker_jobs_total")
    wait_until("all are written", lambda: written() > 0.9 * games and metric(port, "etl_worker_backlog_jobs") == 0)
    return written(), (0, idle), (cpu_s([service]), cpu_s(world.processes))


def object_store(processes, world):
    """An object of 1 KiB: stored, and read."""
    variables = {"OBJECT_STORE_BACKEND": "redis", "OBJECT_STORE_HTTP_WRITES": "true"}
    variables["OBJECT_STORE_ADDRESS"] = f"tcp://127.0.0.1:{free_port()}"
    service, port = processes.start_service("object-store", world.url, **variables)
    connections, each = 32, 300

    async def work(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for object in range(each):
            path = f"/objects/{number * each + object:032x}"
            body = os.urandom(1_024)
            for request in (f"PUT {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 1024\r\n\r\n".encode() + body,
                            f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode()):  # fmt: skip
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 20"), head
                fields = dict(line.split(": ", 1) for line in head.decode().lower().splitlines()[1:] if line)
                answer = await reader.readexactly(int(fields.get("content-length", 0)))
            assert answer == body
        writer.close()

    async def run():
        await asyncio.gather(*(work(number) for number in range(connections)))

    began = cpu_s([service]), cpu_s(world.processes)
    asyncio.run(run())
    return connections * each, began, (cpu_s([service]), cpu_s(world.processes))


SERVICES = [status_proxy, preflight, kafka_ingester, scenario_player, etl_worker, object_store]


def main():
    names = sys.argv[3:]
    for work in SERVICES:
        name = work.__name__.replace("_", "-")
        if names and name not in names:
            continue
        print(f"{name}: {work.__doc__}")
        on_one = None
        for shards in SHARDS:
            with Processes() as processes:
                units, began, ended = work(processes, Redis(processes, shards))
            of_service, of_redis = (1e6 * (end - begin) / units for begin, end in zip(began, ended))
            total = of_service + of_redis
            on_one = on_one or total
            where = f"{shards} shard{'s' if shards > 1 else ''}" if shards else "one Redis"
            print(f"  {where:9}  service {of_service:7.1f} µs, Redis {of_redis:7.1f} µs, together {total / on_one:.2f} times one Redis",
                  flush=True)  # fmt: skip
    print(f"(limit: {LIMIT} times)")


main()
