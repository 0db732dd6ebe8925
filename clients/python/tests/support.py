"""Real instances, see clients/world.py; and what a subscriber got of them."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from pathlib import Path

FULL = os.environ.get("CLIENTS_TEST_FULL") == "1"
SCRIPT = Path(__file__).parents[2] / "world.py"


class World:
    def __init__(self, **variables):
        self.process = subprocess.Popen([sys.executable, str(SCRIPT), json.dumps(variables)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.urls = self._answer()
        self.run = self.urls["run"]

    def _answer(self):
        return json.loads(self.process.stdout.readline())

    def do(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self._answer()

    async def do_async(self, *words):
        return await asyncio.to_thread(self.do, *words)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


async def eventually(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)


def problems(events, first, last):
    """A line twice, in the wrong order, or missing without a gap. A gap is None."""
    previous, gap = first - 1, False
    for event in events:
        if event is None:
            gap = True
            continue
        number = int(event)
        if number <= previous:
            yield f"{number} after {previous}"
        elif number > previous + 1 and not gap:
            yield f"{number} after {previous} without a gap"
        previous, gap = number, False
    if previous != last:
        yield f"the last is {previous}, not {last}"


def sign_token(secret, claims):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    text = b".".join(part(json.dumps(value).encode()) for value in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (text + b"." + part(hmac.new(secret.encode(), text, hashlib.sha256).digest())).decode()
