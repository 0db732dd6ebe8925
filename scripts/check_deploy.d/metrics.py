"""Checks the alert rules and the dashboard.

Every metric and label that they use is exported by a service or by haproxy. Each alert has a section in the runbook.

metrics.py HAPROXY RULES    the URL of a haproxy's metrics; where to write the dashboard's queries as rules
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import yaml

SERVICES = sorted(path.name for path in Path("services").iterdir() if path.is_dir())
# Metrics of Prometheus itself, and those that its client library exports for every process.
OF_PROMETHEUS = {"up", "ALERTS"}
OF_PROCESSES = {f"process_{name}" for name in "cpu_seconds_total open_fds max_fds resident_memory_bytes start_time_seconds threads".split()}


def literals(*paths):
    """The quoted words in the code below these paths."""
    files = [file for path in map(Path, paths) for file in (path.rglob("*.rs") if path.is_dir() else [path])]
    return {word for file in files for word in re.findall(r'"([a-z0-9_]+)"', file.read_text())}


def metrics_of(service):
    """The metrics that a service may export. Its metrics.rs has their names, with or without the prefix of the service."""
    sources = [f"services/{service}/src/metrics.rs"]
    if "ws-server" in Path(f"services/{service}/Cargo.toml").read_text():
        sources.append("crates/ws-server/src/metrics.rs")
    prefix = service.replace("-", "_") + "_"
    names = {prefix + name.removeprefix(prefix) for name in literals(*sources) | {"build_info"}}
    return names | {name + suffix for name in names if not name.endswith("_total") for suffix in ("_bucket", "_count", "_sum")}


def metrics_in(expression):
    """The metrics that a PromQL expression uses."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring) *\([^)]*\)", " ", bare)
    return set(re.findall(r"\b[a-zA-Z_]\w*\b(?! *\()", bare)) - {"and", "or", "unless"}


def unknown_labels(expression):
    """Labels and label values that do not appear in the code of the service that exports the metric."""
    for metric, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for service in (service for service in SERVICES if metric.startswith(service.replace("-", "_"))):
            known = literals(f"services/{service}/src", "crates/ws-server/src")
            for label, values in re.findall(r'(\w+)[=!~]+"([^"]*)"', matchers):
                yield from (f'{metric}{{{label}="{value}"}}' for value in values.split("|") if not {label, value} <= known)


def runbook_problems(rules):
    """Alerts that do not link to a section of the runbook, and sections of alerts that do not exist."""
    text = Path("deploy/RUNBOOK.md").read_text()
    headings = set(re.findall(r"^### (\w+)$", text, re.MULTILINE))
    for rule in rules:
        alert = rule["alert"]
        if alert not in headings:
            yield f"{alert}: deploy/RUNBOOK.md has no section of this name"
        if rule["annotations"].get("runbook_url") != f"deploy/RUNBOOK.md#{alert.lower()}":
            yield f"{alert}: its runbook_url is not deploy/RUNBOOK.md#{alert.lower()}"
    yield from (f"deploy/RUNBOOK.md: no alert is called {name}" for name in sorted(headings - {rule["alert"] for rule in rules}))


def main(haproxy, rules_out):
    known = OF_PROMETHEUS | OF_PROCESSES | literals("crates/chassis/src/metrics.rs")
    known |= set(re.findall(r"^(haproxy_\w+)", urlopen(haproxy).read().decode(), re.MULTILINE))
    known |= {name for service in SERVICES for name in metrics_of(service)}

    rules = yaml.safe_load(Path("deploy/prometheus/rules.yml").read_text())
    rules = [rule for group in rules["groups"] for rule in group["rules"]]
    alerts = {rule["alert"]: rule["expr"] for rule in rules}

    committed = Path("deploy/grafana/backplane.json").read_text()
    generated = subprocess.run([sys.executable, "deploy/grafana/dashboard.py"], check=True, capture_output=True, text=True).stdout
    panels = json.loads(committed)["panels"]
    queries = {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m")
        for panel in panels
        for target in panel.get("targets", [])
    }
    # As rules, promtool can check the queries too.
    records = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries.values())]
    Path(rules_out).write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))

    problems = [] if committed == generated else ["backplane.json is not the output of dashboard.py"]
    problems += runbook_problems(rules)
    used = set()
    for source, expression in (alerts | queries).items():
        used |= metrics_in(expression)
        problems += [f"{source}: no service exports {name}" for name in sorted(metrics_in(expression) - known)]
        problems += [f"{source}: no service exports {labels}" for labels in unknown_labels(expression)]
    print("\n".join(problems) or f"{len(alerts)} alerts and {len(queries)} queries use {len(used)} metrics, all of which exist")
    sys.exit(bool(problems))


main(*sys.argv[1:])
