"""The store of object-store for Python programs, in place of the original's `RedisObjectStorageBackend`.

The class has the original's signature. It talks HTTP to a running node of object-store, and needs nothing but Python 3.8.
Where the node is comes from OBJECT_STORE_HTTP_URL (or `http_url`), and its token, if it has one, from OBJECT_STORE_TOKEN. What
the original is told of Redis, the node knows itself: `redis_url`, `key_prefix` and `connection_pool_size` are accepted, and not
used, except that the pool has at most `connection_pool_size` connections. As in the original an operation that fails is logged
and answered with False, None, 0 or an "error", and a node that cannot be reached at first is a ConnectionError.
"""

import http.client
import json
import logging
import os
import queue
import urllib.parse
from typing import Any, Dict, Optional, Tuple

logger = logging.getLogger(__name__)

__all__ = ["RedisObjectStorageBackend"]

DEFAULT_HTTP_URL = "http://127.0.0.1:9103"
METADATA = "x-object-metadata"
# What quote() leaves alone, and what a header may have.
SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


class RedisObjectStorageBackend:
    """Stores objects in a node of object-store. Several threads may use one instance."""

    def __init__(
        self,
        redis_url: str = "redis://localhost:6379/0",
        max_object_size_mb: int = 100,
        key_prefix: str = "scaler:obj:",
        connection_pool_size: int = 10,
        *,
        http_url: Optional[str] = None,
        token: Optional[str] = None,
        timeout: float = 60.0,
    ) -> None:
        del redis_url, key_prefix
        url = urllib.parse.urlsplit(http_url or os.environ.get("OBJECT_STORE_HTTP_URL") or DEFAULT_HTTP_URL)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"not the address of an object store: {url.geturl()!r}")
        self._new = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._address: Tuple[str, Optional[int]] = (url.hostname, url.port)
        self._path = url.path.rstrip("/")
        self._timeout = timeout
        self.max_object_size = max_object_size_mb * 1024 * 1024
        token = token or os.environ.get("OBJECT_STORE_TOKEN")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Each place holds a connection, or None for one that has yet to be made.
        self._pool: "queue.LifoQueue[Optional[http.client.HTTPConnection]]" = queue.LifoQueue()
        for _ in range(max(1, connection_pool_size)):
            self._pool.put(None)
        try:
            self._request("GET", "/health")
        except (http.client.HTTPException, OSError) as error:
            raise ConnectionError(f"no object store at {url.geturl()}: {error}") from error

    def put(self, object_id: bytes, data: bytes, metadata: bytes) -> bool:
        """Stores or replaces an object. False if it is too large, or was not stored for another reason."""
        size = len(data) + len(metadata)
        if size > self.max_object_size:
            logger.warning("object %s of %d bytes is larger than %d", object_id.hex(), size, self.max_object_size)
            return False
        headers = {METADATA: urllib.parse.quote_from_bytes(metadata, safe=SAFE)} if metadata else {}
        return self._try("PUT", self._object(object_id), data, headers) is not None

    def get(self, object_id: bytes) -> Optional[Tuple[bytes, bytes]]:
        """Returns an object's data and metadata, or None."""
        found = self._try("GET", self._object(object_id))
        if found is None:
            return None
        headers, data = found
        return data, urllib.parse.unquote_to_bytes(headers.get(METADATA) or "")

    def exists(self, object_id: bytes) -> bool:
        """Whether there is such an object."""
        return self._try("HEAD", self._object(object_id)) is not None

    def delete(self, object_id: bytes) -> bool:
        """Removes an object. False if there was none."""
        return self._try("DELETE", self._object(object_id)) is not None

    def size(self) -> int:
        """Bytes of all objects, with their metadata."""
        return int(self.get_info().get("total_size_bytes", 0))

    def clear(self) -> None:
        """Removes every object."""
        self._try("DELETE", "/objects")

    def get_info(self) -> Dict[str, Any]:
        """What the store holds: type, object_count, total_size_bytes, max_object_size_mb, redis_used_memory, and more."""
        found = self._try("GET", "/info")
        return {"type": "redis", "error": "see the log"} if found is None else json.loads(found[1])

    def close(self) -> None:
        """Closes the connections that are not in use."""
        idle = []
        while True:
            try:
                idle.append(self._pool.get_nowait())
            except queue.Empty:
                break
        for connection in idle:
            if connection is not None:
                connection.close()
            self._pool.put(None)

    def __enter__(self) -> "RedisObjectStorageBackend":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _object(object_id: bytes) -> str:
        return f"/objects/{bytes(object_id).hex()}"

    def _try(self, method: str, path: str, body: Optional[bytes] = None, headers: Optional[Dict[str, str]] = None):
        """Headers and body of the response. None if there is no such object, or it failed, which is logged."""
        try:
            status, response, content = self._request(method, path, body, headers)
        except (http.client.HTTPException, OSError) as error:
            logger.error("%s %s failed: %s", method, path, error)
            return None
        if status < 300:
            return response, content
        if status != 404:
            logger.error("%s %s: %d %s", method, path, status, content.decode(errors="replace").strip())
        return None

    def _request(self, method: str, path: str, body: Optional[bytes] = None, headers: Optional[Dict[str, str]] = None):
        connection = self._pool.get()
        try:
            for is_last in (False, True):
                is_reused = connection is not None
                if connection is None:
                    connection = self._new(*self._address, timeout=self._timeout)
                try:
                    connection.request(method, self._path + path, body, {**self._headers, **(headers or {})})
                    response = connection.getresponse()
                    return response.status, response.headers, response.read()
                except (http.client.HTTPException, ConnectionError):
                    # Every request may be sent twice. A connection that was idle may have been closed meanwhile.
                    connection.close()
                    connection = None
                    if is_last or not is_reused:
                        raise
                except BaseException:
                    connection.close()
                    connection = None
                    raise
        finally:
            self._pool.put(connection)
