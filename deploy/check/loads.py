"""Loads that count what they send and what comes of it, so that they can say afterwards whether anything was lost."""

import asyncio
import collections
import json
import threading
import time

import kafka
import redis as redis_errors
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from world import KAFKA_TOPIC, PLAYER, RUN, STATUS, http, kafka_producer, mqtt_subscriber, redis_client, until


class Viewers:
    """Browsers that watch one channel of numbered lines, and come back with the last id that they have."""

    def __init__(self, count, lines_per_second):
        self.pause = 1 / lines_per_second
        self.published, self.done = 0, False
        self.watching, self.moves, self.failed, self.unrecovered, self.gaps = 0, 0, [], 0, 0
        self.wrong, self.missing, self.tasks = [], 0, []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.join(count)
        self.producer = threading.Thread(target=self._publish, daemon=True)
        self.producer.start()

    def join(self, count):
        """Adds that many viewers. Each of them is to get every line from then on."""
        expected = self.watching + count
        self.tasks += [asyncio.run_coroutine_threadsafe(self._watch(number / count), self.loop) for number in range(count)]
        until(f"{expected} viewers", lambda: self.watching >= expected)

    def _publish(self):
        redis = redis_client()
        while not self.done:
            try:
                redis.publish(f"{RUN}:load", self.published)
                self.published += 1
            except redis_errors.RedisError:
                # Redis may have got it or not. The next line has another number, and a viewer may see a gap.
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
                                    self.wrong.append(f"{number} after {last}")
                                elif last is not None and number > last + 1:
                                    self.missing += 0 if gap else number - last - 1
                                last, gap = number, False
                        if self.done and last is not None and last >= self.published - 1:
                            return
            except ConnectionClosed:
                pass
            except Exception as reason:  # refused, reset, no answer, or another than 101: all count
                self.failed.append(repr(reason))
                await asyncio.sleep(0.5)
                continue
            self.moves += 1

    def end(self):
        """Stops publishing, waits until everybody has the last line, and prints what was seen."""
        self.done = True
        self.producer.join()
        redis_client().publish(f"{RUN}:load", self.published)
        self.published += 1
        until("the last line at every viewer", lambda: all(task.done() for task in self.tasks), within=60)
        for task in self.tasks:
            task.result()
        print(f"  {len(self.tasks)} viewers, {self.published} lines: {self.moves} came back, {len(self.failed)} attempts failed, "
              f"{self.missing} lines missing without a word, {len(self.wrong)} twice or out of order, "
              f"{self.unrecovered} not recovered, {self.gaps} gaps announced", flush=True)
        for reason, times in collections.Counter(self.failed).most_common(3):
            print(f"    {times} times {reason}", flush=True)


def settled(all_there):
    """Waits for what is still on its way, and a moment longer for what comes twice. `end` reports what is missing."""
    deadline = time.monotonic() + 60
    while not all_there() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2)


class Walkers:
    """Customers with a step every 100 ms, and visitors who are posted all the while."""

    def __init__(self, customers, seconds):
        self.steps, self.seconds, self.ends_at = {}, seconds, time.monotonic() + seconds + 2
        self.came, self.refused, self.done = collections.defaultdict(list), [], False
        self.subscriber = mqtt_subscriber(self._came, client_id=f"{RUN}-load-{customers}-{seconds}")
        for number in range(customers):
            self._post(f"{RUN}-walker-{seconds}-{number}", seconds * 10)
        self.poster = threading.Thread(target=self._visit, daemon=True)
        self.poster.start()

    def _came(self, topic, step):
        if topic == "customer/move":
            self.came[step["id"]].append(step["x"])

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

    def end(self):
        """Waits until every step came, and prints what was seen."""
        self.done = True
        self.poster.join()
        time.sleep(max(0, self.ends_at - time.monotonic()))
        total = sum(self.steps.values())
        settled(lambda: sum(len(set(self.came[customer])) for customer in self.steps) >= total)
        self.lost = sum(steps - len(set(self.came[customer])) for customer, steps in self.steps.items())
        self.twice = sum(len(self.came[customer]) - len(set(self.came[customer])) for customer in self.steps)
        first_times = {customer: list(dict.fromkeys(self.came[customer])) for customer in self.steps}
        self.disordered = sum(steps != sorted(steps) for steps in first_times.values())
        self.subscriber.disconnect()
        print(f"  {len(self.steps)} scenarios, {total} steps over MQTT: {self.lost} lost, {self.twice} twice, "
              f"{self.disordered} customers out of order, {len(self.refused)} posts refused", flush=True)
        for reason, times in collections.Counter(self.refused).most_common(3):
            print(f"    {times} times {reason}", flush=True)


class Batteries:
    """Messages to Kafka, each with its number; Redis says how many of them were applied."""

    def __init__(self, messages_per_second):
        self.pause, self.sent, self.done, self.last = 1 / messages_per_second, 0, False, {}
        self.redis = redis_client()
        self.producer = kafka_producer(retries=100, delivery_timeout_ms=120_000)
        self.producer.send(KAFKA_TOPIC, b'{"battery_id": "load"}').get(60)  # the first message creates the topic
        until("the first message applied", lambda: self._applied() >= self._in_kafka())
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

    def end(self):
        """Waits until all was applied, and prints what was seen."""
        self.done = True
        self.thread.join()
        self.producer.flush(120)
        in_kafka = self._in_kafka() - self.before[1]
        settled(lambda: self._applied() - self.before[0] >= in_kafka)
        self.wrong_count = self._applied() - self.before[0] - in_kafka
        self.stale = sum(self.redis.hget(f"battery:{battery}:data", "n") != str(number) for battery, number in self.last.items())
        self.unsent = self.sent - in_kafka
        print(f"  {self.sent} messages sent, {in_kafka} in Kafka, {in_kafka + self.wrong_count} applied: "
              f"{max(0, -self.wrong_count)} lost, {max(0, self.wrong_count)} doubled, {self.stale} of {len(self.last)} batteries stale", flush=True)
