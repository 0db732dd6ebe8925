"""Checks the Compose files and deploy/.env.example against the --help of the services.

compose.py BIN    the folder of the built services

The Compose file passes every setting of a service to its container, and nothing else. The files that are used together with
it set settings only. The example lists every variable that the Compose file reads. The files that are mounted exist, and
kafka-ingester takes its example of INGEST_CONFIG. What runs all the time has a limit, no capabilities, and says whether it
is healthy; its files cannot be changed.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

SERVICES = ["scenario-player", "preflight", "status-proxy", "kafka-ingester", "etl-worker", "object-store"]
# The Compose file itself determines the listen address and Redis. Replicas share one definition, so they cannot have files
# or names of their own. Only the memory backend spills, and OBJECT_STORE_HTTP_URL is for commands that talk to a node.
NOT_PASSED = {"LISTEN_ADDR", "REDIS_HOST", "REDIS_PORT", "REDIS_DB", "REDIS_PASS", "ETL_WORKER", "OBJECT_STORE_CONFIG",
            "OBJECT_STORE_TLS_CERT", "OBJECT_STORE_TLS_KEY", "OBJECT_STORE_TLS_CLIENT_CA", "OBJECT_STORE_MAX_MEMORY",
            "OBJECT_STORE_SPILL_DIR", "OBJECT_STORE_HTTP_URL"}
OWN_REDIS = {"preflight": "PREFLIGHT_REDIS_URL", "status-proxy": "STATUS_REDIS_URL"}


# The images of these write beside their programs.
WRITABLE = {"kafka", "grafana"}
# These begin as root, and become their own user.
BEGINS_AS_ROOT = {"CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"}


def settings_of(program):
    text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True, env={}).stdout
    return set(re.findall(r"\[env: ([A-Z_*]+)", text))


def why_refused(program, topics):
    """Why a file is no INGEST_CONFIG, or None. The command ends with 2 then, and with 1 since there is no Redis."""
    env = {"INGEST_CONFIG": str(topics), "REDIS_URL": "redis://127.0.0.1:1"}
    done = subprocess.run([program, "dead-letters", "list"], capture_output=True, text=True, env=env)
    return None if done.returncode == 1 else done.stderr


def find_problems(programs):
    text = Path("deploy/docker-compose.yml").read_text()
    services = yaml.safe_load(text)["services"]
    for service in SERVICES:
        settings = settings_of(programs / service)
        prefixes = tuple(name[:-1] for name in settings if name.endswith("*"))
        given = services[service]["environment"].keys() - {OWN_REDIS.get(service)}
        for name in settings - given - NOT_PASSED:
            if not name.endswith("*"):
                yield f"{service}: the Compose file does not pass {name}"
        for name in given - settings:
            if not name.startswith(prefixes or "none"):
                yield f"{service}: {name} is not a setting"
    yield from find_unknown_in_additions(programs)
    yield from find_open_containers()
    for name, service in services.items():
        for source in (volume.split(":")[0] for volume in service.get("volumes", [])):
            if source.startswith(".") and not (Path("deploy") / source).exists():
                yield f"{name}: the Compose file mounts {source}, which does not exist"
    if reason := why_refused(programs / "kafka-ingester", Path("deploy/kafka-ingester/topics.toml")):
        yield reason
    passed_through = {name for service in services.values() for name, value in (service.get("environment") or {}).items() if value is None}
    read = passed_through | set(re.findall(r"\$\{([A-Z_]+)", text))
    listed = re.findall(r"^([A-Z_]+)=", Path("deploy/.env.example").read_text(), re.MULTILINE)
    yield from (f".env.example: {name} is missing" for name in read - set(listed))
    yield from (f".env.example: the Compose file does not read {name}" for name in set(listed) - read)
    yield from (f".env.example: {name} is listed twice" for name in set(listed) if listed.count(name) > 1)


def find_open_containers():
    """What a container may do without need. The health of the services is asked by their image."""
    servers = {}
    for path in sorted(Path("deploy").glob("docker-compose*.yml")):
        for name, service in yaml.safe_load(path.read_text())["services"].items():
            if service.get("restart"):
                servers[path.name, name] = service
    for (file, name), service in servers.items():
        where = f"{file}: {name}"
        if service.get("cap_drop") != ["ALL"] or set(service.get("cap_add", [])) - BEGINS_AS_ROOT:
            yield f"{where} has capabilities"
        if service.get("security_opt") != ["no-new-privileges:true"]:
            yield f"{where} may get new privileges"
        if not service.get("read_only") and name not in WRITABLE:
            yield f"{where} can change its files"
        for key in ["mem_limit", "pids_limit", *([] if name in SERVICES else ["healthcheck"])]:
            if key not in service:
                yield f"{where} has no {key}"


def find_unknown_in_additions(programs):
    for path in sorted(Path("deploy").glob("docker-compose.*.yml")):
        for service, changed in yaml.safe_load(path.read_text())["services"].items():
            if service not in SERVICES:
                continue
            for name in (changed.get("environment") or {}).keys() - settings_of(programs / service):
                if name.removesuffix("_FILE") not in settings_of(programs / service):
                    yield f"{path.name}: {service}: {name} is not a setting"


problems = sorted(find_problems(Path(sys.argv[1])))
if problems:
    sys.exit("\n".join(problems))
print(f"{len(SERVICES)} services: every setting is passed, and every variable is in .env.example")
