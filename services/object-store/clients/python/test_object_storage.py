"""Runs the client against a node: test_object_storage.py HTTP_URL. tests/it/python.rs starts it."""

import os
import sys
import threading

from backplane.object_storage import RedisObjectStorageBackend


def main() -> None:
    store = RedisObjectStorageBackend("redis://ignored:1/0", 2, "scaler:obj:", 4)
    store.clear()
    one, data = bytes(range(32)), os.urandom(100_000)
    assert store.get(one) is None and not store.exists(one) and not store.delete(one)
    for metadata in (b"", b"text/plain", bytes(range(256))):
        assert store.put(one, data, metadata) is True
        assert store.get(one) == (data, metadata), metadata
        assert store.exists(one)
        assert store.size() == 4 + len(metadata) + len(data)
    assert store.put(b"\x01", b"", b"") is True and store.get(b"\x01") == (b"", b"")
    assert store.put(b"\x02", b"x" * (2 << 20), b"m") is False, "too large for the client"
    info = store.get_info()
    assert (info["object_count"], info["max_object_size_mb"]) == (2, 2), info
    assert store.delete(one) is True and store.get(one) is None

    def work(n: int) -> None:
        for round in range(20):
            key, value = bytes([n, round]), os.urandom(10_000)
            assert store.put(key, value, b"") and store.get(key) == (value, b"")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get_info()["object_count"] == 1 + 8 * 20
    store.clear()
    assert store.get_info()["object_count"] == 0 and store.size() == 0
    store.close()
    os.environ["OBJECT_STORE_HTTP_URL"] = "http://127.0.0.1:1"
    try:
        RedisObjectStorageBackend()
        raise AssertionError("it connected to nothing")
    except ConnectionError:
        pass
    print("all right")


if __name__ == "__main__":
    os.environ["OBJECT_STORE_HTTP_URL"] = sys.argv[1]
    main()
