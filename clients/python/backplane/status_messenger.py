"""Publishes the status lines of runs, which status-proxy carries to browsers."""

import logging
import threading

from backplane.connection import connect

_DB = 2


class StatusMessenger:
    """`StatusMessenger.publish("<run>:<channel>", "a line")`. It connects at the first line."""

    _client = None
    _lock = threading.Lock()

    @classmethod
    def publish(cls, channel, message):
        """Publishes one line. Returns how many subscribers Redis has for it.

        Raises `redis.RedisError` while Redis is away: Pub/Sub keeps no messages.
        """
        return cls._get_client().publish(channel, message)

    @classmethod
    def _get_client(cls):
        with cls._lock:
            if cls._client is None:
                cls._client = connect(_DB)
            return cls._client


class StatusMessengerHandler(logging.Handler):
    """A handler of `logging`: each record's message becomes a line of the channel `<run>:<channel>`.

    With a formatter the formatted text is the line. A line that cannot be published goes to `handleError`, as with every
    handler: logging never ends the program's work.
    """

    def __init__(self, channel: str):
        super().__init__()
        if not isinstance(channel, str) or not channel:
            raise ValueError("the channel must be a text that is not empty")
        self.channel = channel

    def emit(self, record: logging.LogRecord):
        try:
            line = self.format(record) if self.formatter else record.getMessage()
            StatusMessenger.publish(self.channel, line)
        except Exception:
            self.handleError(record)
