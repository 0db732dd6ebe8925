"""How the producers connect to Redis: by the same variables as the services and the crate run-events."""

import os

import redis

TIMEOUT_S = 5


def connect(default_db: int) -> "redis.Redis":
    """A client with text answers. It connects at the first command, and anew after a loss."""
    options = {"decode_responses": True, "socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
    password = os.environ.get("REDIS_PASSWORD") or os.environ.get("REDIS_PASS") or None
    username = os.environ.get("REDIS_USERNAME") or None
    db = int(os.environ.get("REDIS_DB") or default_db)
    url = os.environ.get("REDIS_URL")
    if url:
        if url.startswith("rediss:"):
            files = {"ssl_ca_certs": "REDIS_TLS_CA", "ssl_certfile": "REDIS_TLS_CERT", "ssl_keyfile": "REDIS_TLS_KEY"}
            options.update({option: os.environ[name] for option, name in files.items() if os.environ.get(name)})
        # What the URL says wins over the options here.
        return redis.Redis.from_url(url, db=db, username=username, password=password, **options)
    return redis.Redis(
        host=os.environ.get("REDIS_HOST") or "localhost",
        port=int(os.environ.get("REDIS_PORT") or 6379),
        db=db,
        username=username,
        password=password,
        **options,
    )
