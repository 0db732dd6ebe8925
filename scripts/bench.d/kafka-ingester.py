"""The loop of RedisBackendMS without Kafka. `kafka-ingester.py REDIS_PORT` prints its messages per second."""

import json
import sys
import time

import redis

client = redis.Redis(port=int(sys.argv[1]))
MESSAGES = 20_000
REPORT = (
    '{"battery_id":%d,"soc":81,"voltage":402.50,"current":-12.50,"temperature":20,'
    '"status":"charging","site":"north-east-7","ts":1700000000000}'
)
start = time.monotonic()
for number in range(MESSAGES):
    fields = json.loads(REPORT % (number % 10_000))
    battery = fields.pop("battery_id")
    client.sadd("info:batteries:ids", battery)
    client.hset(f"battery:{battery}:data", mapping=fields)
    client.publish(f"battery:{battery}:data", "updates")
print(round(MESSAGES / (time.monotonic() - start)))
