"""The six paths of data, checked through the published ports. Each check prints what it did, and raises if the path fails."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import uuid

import pyarrow.dataset
from websockets.sync.client import connect

from stack import (CLUSTER, ENTRY, KAFKA_TOPIC, OBJECTS, PLAYER, PREFLIGHT, RECORDING, RUN, STATUS, WORKER_CHANNEL,
                   CheckFailed, http, http_bytes, kafka_producer, mqtt_subscriber, redis_client, wait_until)


def report(text):
    print(f"  {text}", flush=True)


def scenario_to_mqtt():
    """scenario-player: a scenario is posted, and its steps are published over MQTT"""
    walk = [("ENTER", 935, 50), ("MOVE", 860, 180), ("FOCUS", 640, 240), ("MOVE", 400, 310), ("EXIT", 935, 50)]
    customers = [f"{RUN}-{name}" for name in ("amy", "bob", "cleo")]
    received = []
    subscriber = mqtt_subscriber(lambda topic, step: received.append((step["id"], topic, step.get("x"), step.get("y"))))
    for customer in customers:
        path = [{"type": kind, "location": {"x": x, "y": y}, "timestamp": 1618323771180 + 300 * number}
                for number, (kind, x, y) in enumerate(walk)]
        http("POST", f"{PLAYER}/scenario?recalculate_time=true", {"customer": {"customer_id": customer}, "path": path})
    report(f"{len(customers)} scenarios of {len(walk)} steps were posted to {PLAYER}")

    def steps(customer):
        return [rest for id, *rest in received if id == customer]

    expected = [["customer/move", x, y] if kind in ("MOVE", "FOCUS") else [f"customer/{kind.lower()}", None, None]
                for kind, x, y in walk]
    wait_until("every customer's steps over MQTT", lambda: all(steps(customer)[-1:] == [expected[-1]] for customer in customers))
    subscriber.disconnect()
    wrong = [customer for customer in customers if steps(customer) != expected]
    if wrong:
        raise CheckFailed(f"the steps of {wrong[0]} are {steps(wrong[0])}, not {expected}")
    report("each step was received once, and those of each customer in order")


def kafka_to_redis():
    """kafka-ingester: a Kafka message becomes a hash in Redis and a notification"""
    redis, batteries = redis_client(), [f"{RUN}-{number}" for number in range(12)]
    pubsub = redis.pubsub()
    pubsub.psubscribe(f"battery:{RUN}-*:data")
    producer = kafka_producer()
    for soc, battery in enumerate(batteries):
        producer.send(KAFKA_TOPIC, json.dumps({"battery_id": battery, "soc": soc, "voltage": 402.5}).encode(), key=battery.encode())
    producer.flush(60)
    report(f"{len(batteries)} messages were sent to the topic {KAFKA_TOPIC}")
    notifications = []

    def all_notified():
        message = pubsub.get_message(timeout=0.1)
        if message and message["type"] == "pmessage":
            notifications.append((message["channel"], message["data"]))
        return len(notifications) >= len(batteries)

    wait_until("a notification of each battery", all_notified, within=60)
    if sorted(notifications) != sorted((f"battery:{battery}:data", "updates") for battery in batteries):
        raise CheckFailed(f"the notifications are {notifications}")
    for soc, battery in enumerate(batteries):
        if redis.hgetall(f"battery:{battery}:data") != {"soc": str(soc), "voltage": "402.5"}:
            raise CheckFailed(f"battery:{battery}:data is {redis.hgetall(f'battery:{battery}:data')}")
    if not all(redis.smismember("info:batteries:ids", batteries)):
        raise CheckFailed("info:batteries:ids does not contain all batteries")
    report(f"battery:{batteries[-1]}:data is {redis.hgetall(f'battery:{batteries[-1]}:data')}, and each battery was notified once")


def lines_to_browsers():
    """status-proxy: a viewer gets each published status line; after a disconnect it gets those that it missed"""
    redis, lines = redis_client(), [f"line {number}" for number in range(20)]

    def read(viewer, count):
        frames = []
        while len(frames) < count:
            frame = json.loads(viewer.recv(timeout=20))
            if frame["type"] == "ping":
                viewer.send('{"type":"pong"}')
            elif frame["type"] == "status":
                frames.append(frame)
            elif frame != {"type": "resume", "recovered": True}:
                raise CheckFailed(f"a viewer got {frame}")
        return frames

    with connect(f"{STATUS}/{RUN}:wepp?history=0") as viewer:
        for line in lines[:10]:
            redis.publish(f"{RUN}:wepp", line)
        received = read(viewer, 10)
    for line in lines[10:]:
        redis.publish(f"{RUN}:wepp", line)
    # As the page behind haproxy's entry does.
    with connect(f"{ENTRY.replace('http', 'ws')}/status-proxy/{RUN}:wepp?since={received[-1]['id']}") as viewer:
        received += read(viewer, 10)
    if [frame["data"] for frame in received] != lines:
        raise CheckFailed(f"the lines were {[frame['data'] for frame in received]}")
    report(f"{len(lines)} lines: 10 live through {STATUS}, 10 after a reconnect through {ENTRY}")


def play(redis, run, speed):
    """Replays a recorded run: its attributes, locks and timestamps for preflight, its lines for status-proxy."""
    events = [json.loads(line) for line in RECORDING.read_text().splitlines()]
    began = time.monotonic()
    for event in events:
        time.sleep(max(0, began + event["at"] / speed - time.monotonic()))
        match event:
            case {"timestamp": task}:
                # The recorded times, moved to now: the order of the tasks is the same at any speed.
                redis.hset(run, f"timestamps:{task}", int(time.time() - events[-1]["at"] + event["at"]))
            case {"attribute": [name, value]}:
                redis.hset(run, f"attrs:{name}", str(value).lower())
            case {"lock": name}:
                redis.hset(run, f"locked:{name}", "true")
            case {"unlock": name}:
                redis.hset(run, f"locked:{name}", "false")
            case {"status": [channel, line]}:
                redis.publish(f"{run}:{channel}", line)


def checklist_to_browsers():
    """preflight: a recorded run is played, and its checklist fills before a viewer's eyes"""
    with connect(f"{PREFLIGHT}/{RUN}-run") as viewer:
        player = threading.Thread(target=play, args=(redis_client(), f"{RUN}-run", 8))
        player.start()
        answers, deadline = [], time.monotonic() + 60
        while not answers or not all(answers[-1]["checklist"].values()):
            if time.monotonic() > deadline:
                raise CheckFailed(f"the checklist did not fill: {answers[-1:]}")
            frame = json.loads(viewer.recv(timeout=30))
            if frame["type"] == "ping":
                viewer.send('{"type":"pong"}')
            else:
                answers.append(frame)
        player.join()
    if any(answers[0]["checklist"].values()):
        raise CheckFailed("the first answer was not that nothing is done")
    report(f"{len(answers)} answers, from nothing done to all {len(answers[-1]['checklist'])} entries")


def game():
    """A game of three players, its log, and the podium that follows from it."""
    one, two, three = (str(uuid.uuid4()) for _ in range(3))
    fights = [(one, two, 1500, 4000, 2500), (two, three, 900, 3000, 2100), (one, two, 2600, 2500, 0), (one, three, 2100, 2100, 0)]
    log = [{"TIMESTAMP": f"2022-10-01T12:00:0{second}Z", "PAYLOAD": {"GAME_TOKEN": "", "USER_TOKEN": attacker},
            "STATUS": {"ACTION": "ATTACK", "DETAILS": {"ENEMY_TOKEN": enemy, "ENEMY_DAMAGE": damage, "ENEMY_HEALTH_PRIOR": prior, "ENEMY_HEALTH_POST": post}}}
           for second, (attacker, enemy, damage, prior, post) in enumerate(fights)]
    podium = {one: (1, 3, 0, 6200), three: (2, 0, 3000, 0), two: (3, 1, 4100, 900)}
    return {one: 5000, two: 0, three: 0}, log, podium


def end_a_game(redis, token):
    """Writes what the game server writes: the records, then a message for each player, encoded twice."""
    players, log, podium = game()
    for number, (player, health) in enumerate(players.items()):
        redis.sadd(f"games:{token}", player)
        redis.hset(f"games:{token}:superheros:{player}", mapping={"id": number + 1, "attack": 100, "health": health})
        redis.sadd(f"games:{token}:superheros", number + 1)
    for entry in log:
        entry["PAYLOAD"]["GAME_TOKEN"] = token
        redis.rpush(f"games:{token}:logs", json.dumps(entry))
    redis.set(f"games:{token}:participants", len(players))
    redis.set(f"games:{token}:host", next(iter(players)))
    redis.set(f"games:{token}:status", "Completed")
    for player in players:
        message = {"level": "INFO", "timestamp": "2022-10-01T12:00:00.123456", "name": f"redis.{WORKER_CHANNEL}",
                   "log_message": "Cleaning Game Records", "task": {"game_token": token, "user_token": player}}
        redis.publish(WORKER_CHANNEL, json.dumps(json.dumps(message)))
    return podium


def games_to_parquet():
    """etl-worker: games end, and each is in the Parquet files once, with the right podium"""
    redis, output = redis_client(), pathlib.Path(os.environ.get("PARQUET", "/data/superhero"))
    games = {str(uuid.uuid4()): None for _ in range(10)}
    for token in games:
        games[token] = end_a_game(redis, token)
    report(f"{len(games)} games of 3 players have ended, with {3 * len(games)} messages on {WORKER_CHANNEL}")
    wait_until("every game done", lambda: all(redis.hget(f"etl:game:{token}", "state") == "done" for token in games))
    table = pyarrow.dataset.dataset(output / "GAME_PODIUM", format="parquet").to_table()
    for token, podium in games.items():
        rows = [row for row in table.to_pylist() if row["game_token"] == token]
        read = {row["user_token"]: (row["rank"], row["rounds"], row["damage_received"], row["damage_sent"]) for row in rows}
        if len(rows) != len(podium) or read != podium:
            raise CheckFailed(f"game {token} is in the files as {rows}, not as {podium}")
    report(f"{len(table)} rows in {output}/GAME_PODIUM, among them those of the {len(games)} games, each once and with the right values")


def objects_over_nodes():
    """object-store: an unmodified opengris-scaler cluster computes with its objects in it"""
    content, url = os.urandom(100_000), f"{ENTRY}/object-store/objects/{uuid.uuid4().hex}"
    http("PUT", url, content)
    for _ in range(4):  # haproxy sends each to another node, if there are several
        if http_bytes("GET", url) != content:
            raise CheckFailed("an object that was read is not the one that was put")
    http("DELETE", url)
    report("an object that was put into one node was read from every node")
    cluster = subprocess.run([sys.executable, CLUSTER, OBJECTS, OBJECTS, OBJECTS, "--tasks", "200", "--largest", "1000000"],
                             capture_output=True, text=True, timeout=120)
    if cluster.returncode != 0:
        raise CheckFailed(f"the cluster did not compute: {cluster.stdout[-500:]} {cluster.stderr[-1500:]}")
    report(cluster.stdout.strip().splitlines()[0] + f" over {OBJECTS}; {cluster.stdout.strip().splitlines()[-1]}")


PATHS = [scenario_to_mqtt, kafka_to_redis, lines_to_browsers, checklist_to_browsers, games_to_parquet, objects_over_nodes]
