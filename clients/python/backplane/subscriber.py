"""The lines of a run's channels, live: each once and in order, and a gap is told wherever lines may be missing."""

import asyncio
import base64
import binascii
import inspect
import json
import random
import time
from dataclasses import dataclass
from typing import AsyncIterator, Awaitable, Callable, Optional, Sequence, Union
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

_FINAL = {4400, 4403, 4413}
_UNAUTHORIZED, _RESTART, _LOST = 4401, 1012, 1006
_SETTLED_S = 5
Token = Union[str, Callable[[], Union[str, Awaitable[str]]]]


@dataclass(frozen=True)
class Line:
    """A line as it was published."""

    channel: str
    text: str
    id: str


@dataclass(frozen=True)
class Gap:
    """Lines of this channel may be missing here."""

    channel: str


class Refused(Exception):
    """No new attempt would be let in. `code` is a close code: 4400 no such name, 4401 no valid token, 4403 not for this run."""

    def __init__(self, code: int, reason: str):
        super().__init__(f"status-proxy refuses with {code}: {reason}")
        self.code, self.reason = code, reason


async def subscribe(
    url: str,
    run: str,
    channels: Union[str, Sequence[str]],
    *,
    history: int = 0,
    token: Optional[Token] = None,
    silence: float = 75,
    on_state: Callable[[str], None] = lambda state: None,
) -> AsyncIterator[Union[Line, Gap]]:
    """Yields `Line` and `Gap`, for ever: a lost connection is made again, and continues after the last line.

    `url` is that of status-proxy. `history` is how many earlier lines to begin with. `token` is a JWT, or a function (async or
    not) that gets a new one: it is called at each attempt, and before the end of the one in use. After `silence` seconds
    without a frame a connection counts as lost. `on_state` is told "connecting", "open" and "waiting".

    Raises `Refused`. Close it as any generator: `async with contextlib.aclosing(subscribe(…)) as events`.
    """
    names = [channels] if isinstance(channels, str) else list(channels)
    position = _Position(history)
    failures = unauthorized = 0
    while True:
        on_state("connecting")
        opened_at, code, reason, has_frames = None, _LOST, "", False
        try:
            jwt = await _fresh(token)
            address = _address(url, run, names, position.query())
            protocols = {"subprotocols": ["bearer", jwt]} if jwt else {}
            async with connect(address, max_size=None, open_timeout=20, close_timeout=1, **protocols) as socket:
                opened_at = time.monotonic()
                on_state("open")
                renewal = asyncio.create_task(_renew(socket, token, jwt))
                try:
                    while True:
                        frame = json.loads(await asyncio.wait_for(socket.recv(), silence))
                        has_frames = True
                        if frame["type"] == "ping":
                            await socket.send('{"type":"pong"}')
                        elif (event := position.event(frame, names[0])) is not None:
                            yield event
                finally:
                    renewal.cancel()
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                code, reason = closed.rcvd.code, closed.rcvd.reason
        except InvalidStatus as refused:
            code, reason = 4000 + refused.response.status_code, (refused.response.body or b"").decode(errors="replace")
        except (OSError, InvalidHandshake, asyncio.TimeoutError, TimeoutError) as error:
            reason = str(error)
        unauthorized = 0 if has_frames else unauthorized
        unauthorized += code == _UNAUTHORIZED
        if code in _FINAL or (code == _UNAUTHORIZED and (not callable(token) or unauthorized > 2)):
            raise Refused(code, reason)
        position.was_open |= opened_at is not None
        if opened_at is not None and time.monotonic() - opened_at > _SETTLED_S:
            failures = 0
        on_state("waiting")
        # With jitter, so that not all subscribers of an instance come back at the same time.
        if code == _RESTART:
            await asyncio.sleep(random.random())
        else:
            await asyncio.sleep(min(0.5 * 2**failures, 15) * (0.5 + random.random()))
            failures = min(failures + 1, 10)


class _Position:
    """How far the subscriber has come."""

    def __init__(self, history):
        self.history, self.last_id, self.since, self.was_open = history, None, None, False

    def query(self):
        self.since = self.last_id
        return {"history": self.history} if self.since is None else {"since": self.since}

    def event(self, frame, only_channel):
        channel = frame.get("channel", only_channel)
        if frame["type"] == "status":
            self.last_id = frame["id"]
            return Line(channel, frame["data"], frame["id"])
        # Without an id to resume from, nobody knows what was missed while the connection was lost.
        is_lost = self.was_open and not (frame.get("recovered") and self.since)
        if frame["type"] == "gap" or (frame["type"] == "resume" and is_lost):
            return Gap(channel)
        return None


def _address(url, run, names, query):
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = f"{parts.path.rstrip('/')}/{quote(run, '')}:{','.join(quote(name, '') for name in names)}"
    return urlunsplit((scheme, parts.netloc, path, urlencode(query), ""))


async def _fresh(token):
    value = token() if callable(token) else token
    return await value if inspect.isawaitable(value) else value


async def _renew(socket, token, jwt):
    while callable(token) and (end := _expiry(jwt)) is not None and (left := end - time.time()) > 0:
        await asyncio.sleep(max(left - 60, left / 2, 0.5))
        try:
            fresh = await _fresh(token)
        except Exception:  # The old one is still good for a while.
            continue
        if fresh != jwt:
            jwt = fresh
            await socket.send(json.dumps({"type": "token", "token": jwt}))


def _expiry(jwt):
    try:
        claims = jwt.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None
