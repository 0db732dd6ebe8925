"""Workloads that count what they send and what arrives, so that they can tell afterwards whether anything was lost."""

import asyncio
import collections
import json
import threading
import time

import kafka
import redis as redis_errors
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from stack import KAFKA_TOPIC, PLAYER, RUN, STATUS, http, kafka_producer, mqtt_subscriber, redis_client, wait_until


class Viewers:
    """Browsers that watch one channel of numbered lines, and reconnect with the last id that they have."""

    def __init__(self, count, lines_per_second):
        self.pause = 1 / lines_per_second
        self.published, self.done = 0, False
        self.watching, self.reconnects, self.failed, self.unrecovered, self.gaps = 0, 0, [], 0, 0
        self.misplaced, self.missing, self.tasks = [], 0, []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.join(count)
        self.producer = threading.Thread(target=self._publish, daemon=True)
        self.producer.start()

    def join(self, count):
        """Adds that many viewers. Each of them must get every line from then on."""
        expected = self.watching + count
        self.tasks += [asyncio.run_coroutine_threadsafe(self._watch(number / count), self.loop) for number in range(count)]
        wait_until(f"{expected} viewers", lambda: self.watching >= expected)

    def _publish(self):
        redis = redis_client()
        while not self.done:
            try:
                redis.publish(f"{RUN}:load", self.published)
                self.published += 1
            except redis_errors.RedisError:
                # Redis may have received the line or not. The next one has another number, so viewers may miss this number.
                self.published += 1
            time.sleep(self.pause)

    async def _watch(self, delay):
        await asyncio.sleep(delay)
        id, last, first = None, None, True
        while not (self.done and last is not None and last >= self.published - 1):
            query = f"since={id}" if id else "history=0"
            try:
                async with connect(f"{STATUS}/{RUN}:load?{query}", compression=None, open_timeout=10) as socket:
                    if first:
                        self.watching, first = self.watching + 1, False
                    gap = False
                    async for text in socket:
                        frame = json.loads(text)
                        match frame["type"]:
                            case "ping":
                                await socket.send('{"type":"pong"}')
                            case "resume" if not frame["recovered"]:
                                self.unrecovered, gap = self.unrecovered + 1, True
                            case "gap":
                                self.gaps, gap = self.gaps + 1, True
                            case "status":
                                number, id = int(frame["data"]), frame["id"]
                                if last is not None and number <= last:
                                    self.misplaced.append(f"{number} after {last}")
                                elif last is not None and number > last + 1:
                                    self.missing += 0 if gap else number - last - 1
                                last, gap = number, False
                        if self.done and last is not None and last >= self.published - 1:
                            return
            except ConnectionClosed:
                pass
            except Exception as reason:  # refused, reset, timed out, or a response other than 101: all count
                self.failed.append(repr(reason))
                await asyncio.sleep(0.5)
                continue
            self.reconnects += 1

    def finish(self):
        """Stops publishing, waits until every viewer has the last line, and prints the counts."""
        self.done = True
        self.producer.join()
        redis_client().publish(f"{RUN}:load", self.published)
        self.published += 1
        wait_until("the last line at every viewer", lambda: all(task.done() for task in self.tasks), within=60)
        for task in self.tasks:
            task.result()
        print(f"  {len(self.tasks)} viewers, {self.published} lines: {self.reconnects} reconnects, {len(self.failed)} failed attempts, "
              f"{self.missing} lines missing without a gap frame, {len(self.misplaced)} repeated or out of order, "
              f"{self.unrecovered} not recovered, {self.gaps} gap frames", flush=True)
        for reason, times in collections.Counter(self.failed).most_common(3):
            print(f"    {times} times {reason}", flush=True)


def wait_for_rest(is_complete):
    """Waits for what has not arrived yet, and a moment longer for what is repeated. The caller reports what is missing."""
    deadline = time.monotonic() + 60
    while not is_complete() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2)


class Walkers:
    """Scenarios of customers with a step every 100 ms, and of visitors who are posted all the time."""

    def __init__(self, customers, seconds):
        self.steps, self.seconds, self.ends_at = {}, seconds, time.monotonic() + seconds + 2
        self.received, self.refused, self.done = collections.defaultdict(list), [], False
        self.subscriber = mqtt_subscriber(self._on_step, client_id=f"{RUN}-load-{customers}-{seconds}")
        for number in range(customers):
            self._post(f"{RUN}-walker-{seconds}-{number}", seconds * 10)
        self.poster = threading.Thread(target=self._visit, daemon=True)
        self.poster.start()

    def _on_step(self, topic, step):
        if topic == "customer/move":
            self.received[step["id"]].append(step["x"])

    def _post(self, customer, steps):
        path = [{"type": "MOVE", "location": {"x": number, "y": 0}, "timestamp": 1618323771180 + 100 * number} for number in range(steps)]
        http("POST", f"{PLAYER}/scenario?recalculate_time=true", {"customer": {"customer_id": customer}, "path": path})
        self.steps[customer] = steps

    def _visit(self):
        number = 0
        while not self.done:
            try:
                self._post(f"{RUN}-visitor-{self.seconds}-{number}", 3)
            except OSError as reason:
                self.refused.append(repr(reason))
            number += 1
            time.sleep(0.2)

    def finish(self):
        """Waits until every step has arrived, and prints the counts."""
        self.done = True
        self.poster.join()
        time.sleep(max(0, self.ends_at - time.monotonic()))
        total = sum(self.steps.values())
        wait_for_rest(lambda: sum(len(set(self.received[customer])) for customer in self.steps) >= total)
        self.lost = sum(steps - len(set(self.received[customer])) for customer, steps in self.steps.items())
        self.repeated = sum(len(self.received[customer]) - len(set(self.received[customer])) for customer in self.steps)
        without_repeats = {customer: list(dict.fromkeys(self.received[customer])) for customer in self.steps}
        self.out_of_order = sum(steps != sorted(steps) for steps in without_repeats.values())
        self.subscriber.disconnect()
        print(f"  {len(self.steps)} scenarios, {total} steps over MQTT: {self.lost} lost, {self.repeated} repeated, "
              f"{self.out_of_order} customers with steps out of order, {len(self.refused)} posts refused", flush=True)
        for reason, times in collections.Counter(self.refused).most_common(3):
            print(f"    {times} times {reason}", flush=True)


class Batteries:
    """Numbered messages to Kafka. The offsets hash in Redis counts how many of them were applied."""

    def __init__(self, messages_per_second):
        self.pause, self.sent, self.done, self.last = 1 / messages_per_second, 0, False, {}
        self.redis = redis_client()
        self.producer = kafka_producer(retries=100, delivery_timeout_ms=120_000)
        self.producer.send(KAFKA_TOPIC, b'{"battery_id": "load"}').get(60)  # the first message creates the topic
        wait_until("the first message applied", lambda: self._applied() >= self._in_kafka())
        self.before = self._applied(), self._in_kafka()
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _applied(self):
        counts = {}
        for key in self.redis.scan_iter(f"kafka-ingester:*:{KAFKA_TOPIC}:offsets"):
            counts = self.redis.hgetall(key)
        return sum(int(count) for field, count in counts.items() if field.endswith((":applied", ":dead")))

    def _in_kafka(self):
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.producer.config["bootstrap_servers"])
        partitions = [kafka.TopicPartition(KAFKA_TOPIC, number) for number in consumer.partitions_for_topic(KAFKA_TOPIC)]
        count = sum(consumer.end_offsets(partitions).values())
        consumer.close()
        return count

    def _send(self):
        while not self.done:
            battery = f"{RUN}-load-{self.sent % 100}"
            self.producer.send(KAFKA_TOPIC, json.dumps({"battery_id": battery, "n": self.sent}).encode(), key=battery.encode())
            self.last[battery] = self.sent
            self.sent += 1
            time.sleep(self.pause)

    def finish(self):
        """Waits until all messages are applied, and prints the counts."""
        self.done = True
        self.thread.join()
        self.producer.flush(120)
        in_kafka = self._in_kafka() - self.before[1]
        wait_for_rest(lambda: self._applied() - self.before[0] >= in_kafka)
        self.surplus = self._applied() - self.before[0] - in_kafka
        self.stale = sum(self.redis.hget(f"battery:{battery}:data", "n") != str(number) for battery, number in self.last.items())
        self.unsent = self.sent - in_kafka
        print(f"  {self.sent} messages sent, {in_kafka} in Kafka, {in_kafka + self.surplus} applied: "
              f"{max(0, -self.surplus)} lost, {max(0, self.surplus)} applied twice, {self.stale} of {len(self.last)} batteries stale", flush=True)
