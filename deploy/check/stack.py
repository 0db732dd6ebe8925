"""The published ports of the stack, and clients for them: HTTP, Redis, Kafka, MQTT. All checks use it."""

import json
import os
import pathlib
import time
import urllib.request

import kafka
import paho.mqtt.client as mqtt
import redis

HOST = "127.0.0.1"


# The variable that moves a port is PORT_ and this name.
PORTS = {"ENTRY": 8080, "SCENARIO_PLAYER": 8000, "PREFLIGHT": 9001, "STATUS_PROXY": 9002, "OBJECT_STORE": 2346, "STATISTICS": 8404,
         "REDIS": 6379, "MOSQUITTO": 1883, "KAFKA": 9092}


def port(name):
    return int(os.environ.get(f"PORT_{name}") or PORTS[name])


ENTRY = f"http://{HOST}:{port('ENTRY')}"
PLAYER = f"http://{HOST}:{port('SCENARIO_PLAYER')}"
PREFLIGHT = f"ws://{HOST}:{port('PREFLIGHT')}"
STATUS = f"ws://{HOST}:{port('STATUS_PROXY')}"
OBJECTS = f"tcp://{HOST}:{port('OBJECT_STORE')}"
STATISTICS = f"http://{HOST}:{port('STATISTICS')}"
KAFKA_TOPIC = os.environ.get("KAFKA_TOPIC") or "batteries"
WORKER_CHANNEL = os.environ.get("WORKER_CHANNEL") or "lib.server.lobby"
# Unique to this run, so that no check sees what an earlier one has left behind.
RUN = f"check-{int(time.time())}"


def file(name, in_repository):
    """The path of a file: beside this one in the image, elsewhere in the repository."""
    here = pathlib.Path(__file__).parent
    in_image = here / name
    return in_image if in_image.exists() else here.parents[1] / in_repository


RECORDING = file("decimal-pleasing.jsonl", "crates/run-events/examples/data/decimal-pleasing.jsonl")
CLUSTER = file("cluster.py", "services/object-store/tests/peer/cluster.py")


def secret(name):
    """A secret from the environment or from the file that `NAME_FILE` names, as the services read it; None without."""
    path = os.environ.get(f"{name}_FILE")
    return pathlib.Path(path).read_text().strip() if path else os.environ.get(name) or None


class CheckFailed(Exception):
    """Something that the stack must do did not happen."""


def wait_until(what, condition, within=30):
    """Calls `condition` until it returns something true, and returns that. Fails after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise CheckFailed(f"did not happen within {within} s: {what}")
        time.sleep(0.1)


def http(method, url, body=None):
    """Sends a request and returns the body of the response as text. Raises if the status is no success."""
    return http_bytes(method, url, body).decode()


def http_bytes(method, url, body=None):
    """Sends a request and returns the body of the response. Raises if the status is no success."""
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    headers = {"Content-Type": "application/json"}
    if token := secret("OPERATOR_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read()


def ready_counts():
    """How many instances of each service haproxy sends clients to."""
    return json.loads(http("GET", f"{ENTRY}/ready.json"))


def redis_client(**more):
    kind = redis.RedisCluster if os.environ.get("REDIS_CLUSTER") else redis.Redis
    return kind(host=HOST, port=port("REDIS"), password=secret("REDIS_PASSWORD"), decode_responses=True, **more)


def kafka_producer(**more):
    return kafka.KafkaProducer(bootstrap_servers=f"{HOST}:{port('KAFKA')}", acks="all", enable_idempotence=True, **more)


def make_topic():
    """Creates the topic: the first request of a producer does that. kafka-ingester is not ready before the topic exists."""
    producer = kafka_producer()
    producer.partitions_for(KAFKA_TOPIC)
    producer.close()


def mqtt_subscriber(on_message, client_id=""):
    """A subscriber to all customers. With a client id, the broker keeps messages for it while it is disconnected."""
    subscribed = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, clean_session=not client_id)
    client.on_connect = lambda client, *_: client.subscribe("customer/#", qos=1)
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.on_message = lambda _client, _data, message: on_message(message.topic, json.loads(message.payload))
    client.username_pw_set(os.environ.get("MQTT_USERNAME") or None, secret("MQTT_PASSWORD"))
    client.reconnect_delay_set(1, 1)
    client.connect(HOST, port("MOSQUITTO"))
    client.loop_start()
    wait_until("a subscription to mosquitto", lambda: subscribed)
    return client
