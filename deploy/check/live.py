"""Live data for the demo, wait_until it is stopped: customers who walk in circles, and a run that is built again and again."""

import signal
import sys
import time

from paths import play
from stack import PLAYER, http, redis_client

RUN = "decimal-pleasing"
WALK = [("ENTER", 935, 50), ("MOVE", 935, 120), ("MOVE", 860, 180), ("MOVE", 720, 180), ("FOCUS", 640, 240), ("MOVE", 520, 240),
        ("MOVE", 400, 310), ("MOVE", 400, 420), ("FOCUS", 480, 500), ("MOVE", 610, 500), ("MOVE", 780, 430), ("MOVE", 900, 300),
        ("MOVE", 935, 130), ("EXIT", 935, 50)]

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
for customer in ("amy", "bob", "cleo", "dan", "eve"):
    path = [{"type": kind, "location": {"x": x, "y": y}, "timestamp": 1618323771180 + 1500 * number} for number, (kind, x, y) in enumerate(WALK)]
    http("POST", f"{PLAYER}/scenario?recalculate_time=true", {"customer": {"customer_id": customer}, "path": path})
    http("POST", f"{PLAYER}/scenarios/{customer}/replay", {"speed": 1, "loop": True})
    time.sleep(1)
redis = redis_client()
while True:
    redis.delete(RUN)
    play(redis, RUN, 1)
    time.sleep(5)
