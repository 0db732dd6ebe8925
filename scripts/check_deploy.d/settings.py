"""Checks the settings in deploy/systemd/env and in built Kubernetes manifests against the services.

settings.py BIN MANIFESTS…    the folder of the built services; the built overlays

An example lists every setting of its service: commented out with its default, or set to a value that the service accepts.
"""

import re
import subprocess
import sys
import tempfile
from base64 import b64decode
from pathlib import Path

import yaml

UNITS = Path("deploy/systemd").resolve()
ENV = UNITS / "env"
# The unit derives the first from its instance name and the second, which no service reads.
SET_BY_UNIT, READ_BY_UNIT = "LISTEN_ADDR", "LISTEN_HOST"


def settings_of(program):
    """Each variable and its default, from --help. A default that is described in words counts as none."""
    text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True, env={}).stdout
    settings = {}
    for option in re.split(r"^ +(?:-\w, )?--", text, flags=re.MULTILINE):
        if variable := re.search(r"\[env: ([^\]=]+)", option):
            default = re.search(r'\[default: "?([^\]" ]*)"?\]', option)
            settings[variable[1]] = default[1] if default else ""
    return settings


def secret_files_of(program):
    """The variables that name a file with a secret."""
    text = subprocess.run([program, "--help"], check=True, capture_output=True, text=True, env={}).stdout
    secrets = re.search(r"Secrets are (.*)\.$", text, re.MULTILINE)
    return {f"{name}_FILE" for name in secrets[1].split(", ")} if secrets else set()


def refusal(program, variables):
    """The error of the service, if it refuses these settings. If it accepts them, it exits with 1, because the address is of
    no machine and cannot be bound."""
    with tempfile.TemporaryDirectory() as empty:
        command = [program, "--listen-addr=192.0.2.1:9"]
        result = subprocess.run(command, cwd=empty, env=variables, capture_output=True, text=True, timeout=60)
    return "" if result.returncode == 1 and "192.0.2.1:9" in result.stderr else result.stderr.strip()


def read_example(path):
    """The variables that are set, and those that are commented out."""
    pairs = re.findall(r"^(#?)([A-Z][A-Z0-9_]*)=(.*)$", path.read_text(), re.MULTILINE)
    return {name: value for mark, name, value in pairs if not mark}, {name: value for mark, name, value in pairs if mark}


def check_example(service, program):
    settings = settings_of(program)
    both = [read_example(ENV / "common.env"), read_example(ENV / f"{service}.env")]
    given = {name: value for active, _ in both for name, value in active.items()}
    defaults = {name: value for _, inactive in both for name, value in inactive.items()}
    for name in settings.keys() - given.keys() - defaults.keys() - {SET_BY_UNIT}:
        if not name.endswith("*"):
            yield f"{name} is missing"
    for _, (active, inactive) in zip(("common", service), both, strict=True):
        for name in (active.keys() | inactive.keys()) - settings.keys() - secret_files_of(program) - {READ_BY_UNIT}:
            if not any(name.startswith(family[:-1]) for family in settings if family.endswith("*")):
                yield f"{name} is not a setting"
    for name, value in defaults.items():
        if settings.get(name, value) != value:
            yield f"the default of {name} is {settings[name]}"
    if error := refusal(program, given):
        yield error
    drain = sum(seconds(given.get(name) or settings[name]) for name in ("DRAIN_DELAY", "DRAIN_TIMEOUT"))
    stop_timeout = re.search(r"^TimeoutStopSec=(.*)", (UNITS / "backplane-@.service.d/10-common.conf").read_text(), re.MULTILINE)
    if drain >= seconds(stop_timeout[1]):
        yield f"drains for up to {drain} s, but is killed after {stop_timeout[1]}"


def seconds(duration):
    return int(duration.removesuffix("s"))


def secret(value):
    return b64decode(value).decode()


def check_deployments(manifests, programs):
    documents = [document for document in yaml.safe_load_all(Path(manifests).read_text()) if document]
    data = {
        document["metadata"]["name"]: {name: decode(value) for name, value in document["data"].items()}
        for kind, decode in [("ConfigMap", str), ("Secret", secret)]
        for document in documents
        if document["kind"] == kind
    }
    for document in documents:
        if document["kind"] == "Deployment":
            service = document["metadata"]["labels"]["app.kubernetes.io/name"]
            yield from (f"Deployment {service}: {problem}" for problem in check_deployment(document, data, programs / service))


def check_deployment(deployment, data, program):
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    for source in container["envFrom"]:
        [reference] = source.values()
        variables |= data[reference["name"]]
    known = settings_of(program).keys() | secret_files_of(program)
    yield from (f"{name} is not a setting" for name in variables.keys() - known)
    if error := refusal(program, variables):
        yield error


def main(folder, *built):
    programs = Path(folder).resolve()
    services = sorted(path.stem for path in ENV.glob("*.env") if path.stem != "common")
    problems = [f"{service}.env: {problem}" for service in services for problem in check_example(service, programs / service)]
    problems += [problem for manifests in built for problem in check_deployments(manifests, programs)]
    print("\n".join(problems) or f"{len(services)} services accept their settings")
    sys.exit(bool(problems))


main(*sys.argv[1:])
