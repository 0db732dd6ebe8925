"""Where the stack's published ports are, and what every check needs: waiting, HTTP, Redis, Kafka, MQTT."""

import json
import os
import pathlib
import time
import urllib.request

import kafka
import paho.mqtt.client as mqtt
import redis

HOST = "127.0.0.1"


def port(name, default):
    return int(os.environ.get(f"PORT_{name}") or default)


ENTRY = f"http://{HOST}:{port('ENTRY', 8080)}"
PLAYER = f"http://{HOST}:{port('SCENARIO_PLAYER', 8000)}"
PREFLIGHT = f"ws://{HOST}:{port('PREFLIGHT', 9001)}"
STATUS = f"ws://{HOST}:{port('STATUS_PROXY', 9002)}"
OBJECTS = f"tcp://{HOST}:{port('OBJECT_STORE', 2346)}"
STATISTICS = f"http://{HOST}:{port('STATISTICS', 8404)}"
KAFKA_TOPIC = os.environ.get("KAFKA_TOPIC") or "batteries"
WORKER_CHANNEL = os.environ.get("WORKER_CHANNEL") or "lib.server.lobby"
# Unique to this run, so that no check sees what another has left behind.
RUN = f"check-{int(time.time())}"


def file(name, in_repository):
    """A file of the image, or where the repository has it."""
    here = pathlib.Path(__file__).parent
    own = here / name
    return own if own.exists() else here.parents[1] / in_repository


RECORDING = file("decimal-pleasing.jsonl", "crates/run-events/examples/data/decimal-pleasing.jsonl")
CLUSTER = file("cluster.py", "services/object-store/tests/peer/cluster.py")


class Silent(Exception):
    """What was waited for did not come."""


def until(what, seen, within=30):
    """Asks `seen` until it answers with something true, which is returned."""
    deadline = time.monotonic() + within
    while True:
        answer = seen()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Silent(f"not seen within {within} s: {what}")
        time.sleep(0.1)


def http(method, url, body=None):
    """The answer's body; an answer that is no success raises."""
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def ready():
    """How many instances of each service haproxy gives clients to."""
    return json.loads(http("GET", f"{ENTRY}/ready.json"))


def redis_client(**more):
    password = os.environ.get("REDIS_PASSWORD") or None
    return redis.Redis(HOST, port("REDIS", 6379), password=password, decode_responses=True, **more)


def kafka_producer(**more):
    return kafka.KafkaProducer(bootstrap_servers=f"{HOST}:{port('KAFKA', 9092)}", acks="all", enable_idempotence=True, **more)


def make_topic():
    """A producer's first request creates it. Before that kafka-ingester is not ready, because the topic does not exist."""
    producer = kafka_producer()
    producer.partitions_for(KAFKA_TOPIC)
    producer.close()


def mqtt_subscriber(on_message, client_id=""):
    """Subscribed to all customers; with a client id, what comes while it is away is kept for it."""
    subscribed = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, clean_session=not client_id)
    client.on_connect = lambda client, *_: client.subscribe("customer/#", qos=1)
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.on_message = lambda _client, _data, message: on_message(message.topic, json.loads(message.payload))
    client.reconnect_delay_set(1, 1)
    client.connect(HOST, port("MOSQUITTO", 1883))
    client.loop_start()
    until("a subscription to mosquitto", lambda: subscribed)
    return client
