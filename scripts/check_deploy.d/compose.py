"""deploy/docker-compose.yml and deploy/.env.example against the services themselves.

compose.py BIN    the folder of the built services

Every setting of a service can be given to its container, nothing that is no setting can, and the example names them all.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

SERVICES = ["scenario-player", "preflight", "status-proxy", "kafka-ingester", "etl-worker", "object-store"]
# Where a container listens and where Redis is follow from the file; a file or a name of its own no replica can have.
LEFT_OUT = {"LISTEN_ADDR", "REDIS_HOST", "REDIS_PORT", "REDIS_DB", "REDIS_PASS", "ETL_WORKER", "OBJECT_STORE_CONFIG",
            "OBJECT_STORE_TLS_CERT", "OBJECT_STORE_TLS_KEY", "OBJECT_STORE_MAX_MEMORY"}
OWN_REDIS = {"preflight": "PREFLIGHT_REDIS_URL", "status-proxy": "STATUS_REDIS_URL"}


def settings_of(program):
    text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True, env={}).stdout
    return set(re.findall(r"\[env: ([A-Z_*]+)", text))


def wrong(programs):
    text = Path("deploy/docker-compose.yml").read_text()
    services = yaml.safe_load(text)["services"]
    for service in SERVICES:
        settings = settings_of(programs / service)
        families = tuple(name[:-1] for name in settings if name.endswith("*"))
        given = services[service]["environment"].keys() - {OWN_REDIS.get(service)}
        for name in settings - given - LEFT_OUT:
            if not name.endswith("*"):
                yield f"{service}: {name} cannot be given"
        for name in given - settings:
            if not name.startswith(families or "none"):
                yield f"{service}: {name} is no setting"
    passed = {name for service in services.values() for name, value in (service.get("environment") or {}).items() if value is None}
    taken = passed | set(re.findall(r"\$\{([A-Z_]+)", text))
    named = re.findall(r"^([A-Z_]+)=", Path("deploy/.env.example").read_text(), re.MULTILINE)
    yield from (f".env.example: {name} is missing" for name in taken - set(named))
    yield from (f".env.example: {name} is not taken" for name in set(named) - taken)
    yield from (f".env.example: {name} comes twice" for name in set(named) if named.count(name) > 1)


problems = sorted(wrong(Path(sys.argv[1])))
if problems:
    sys.exit("\n".join(problems))
print(f"{len(SERVICES)} services: every setting can be given, every variable is in .env.example")
