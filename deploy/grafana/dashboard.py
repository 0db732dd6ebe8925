#!/usr/bin/env python3
"""Prints the dashboard. `./dashboard.py >backplane.json` after a change here; scripts/check_deploy.sh compares them."""

import json

PER_LINE, WIDTH, HEIGHT = 4, 6, 7


def rate(counter):
    return f"rate({counter}[$__rate_interval])"


def growth(counter):
    return f"increase({counter}[$__rate_interval])"


def total(expression, *by):
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def quantile(share, histogram, *by):
    return f"histogram_quantile({share}, {total(rate(histogram + '_bucket'), 'le', *by)})"


# Each row has panels. A panel has a title, a unit, and the legend and expression of each query.
ROWS = {
    "What is wrong": [
        ("Alerts", "short", ("{{alertname}} {{job}} {{instance}}", 'count by (alertname, job, instance) (ALERTS{alertstate="firing"})')),
        ("Closed gates", "short", ("{{job}} {{instance}}: {{gate}}", "process_gate_open == 0")),
        ("Instances that answer", "short", ("{{job}}", total("up", "job"))),
        ("Starts in 15 min", "short", ("{{job}} {{instance}}", "changes(process_start_time_seconds[15m]) > 0")),
    ],
    "haproxy": [
        ("Ready servers", "short", ("{{proxy}}", "haproxy_backend_active_servers")),
        ("Sessions", "short", ("{{proxy}}", "haproxy_frontend_current_sessions")),
        ("Requests waiting for a server", "short", ("{{proxy}}", "haproxy_backend_current_queue")),
        (
            "Errors",
            "reqps",
            ("{{proxy}}: 5xx", rate('haproxy_backend_http_responses_total{code="5xx"}')),
            ("{{proxy}}: no connection", rate("haproxy_backend_connection_errors_total")),
        ),
    ],
    "scenario-player": [
        (
            "Lateness of steps",
            "s",
            ("p50", quantile(0.5, "scenario_player_lateness_seconds")),
            ("p99", quantile(0.99, "scenario_player_lateness_seconds")),
        ),
        ("Steps published", "ops", ("{{instance}}", rate("scenario_player_events_published_total"))),
        ("Steps posted", "ops", ("posted", total(rate("scenario_player_steps_posted_total")))),
        ("Steps that may have been published twice", "short", ("{{instance}}", growth("scenario_player_events_given_up_total"))),
    ],
    "preflight": [
        ("Viewers", "short", ("{{instance}}", total("preflight_connections", "instance"))),
        (
            "Reads of runs",
            "ops",
            ("reads", total(rate("preflight_read_seconds_count"))),
            ("failed", total(rate("preflight_read_failures_total"))),
            ("notifications", total(rate("preflight_events_total"))),
            ("checklists that differed", total(rate("preflight_answers_total"))),
        ),
        ("Time of a read", "s", ("p99", quantile(0.99, "preflight_read_seconds"))),
        (
            "Viewers closed and refused",
            "ops",
            ("closed: {{cause}}", total(rate("preflight_connections_closed_total"), "cause")),
            ("refused: {{reason}}", total(rate("preflight_requests_refused_total"), "reason")),
        ),
    ],
    "status-proxy": [
        ("Viewers", "short", ("{{instance}}", total("status_proxy_connections", "instance"))),
        (
            "Lines",
            "ops",
            ("received, {{instance}}", rate("status_proxy_lines_total")),
            ("delivered, {{instance}}", rate("status_proxy_deliveries_total")),
            ("recorded", total(rate("status_proxy_recorded_lines_total"))),
        ),
        ("Redis: from publish to arrival", "s", ("p99", quantile(0.99, "status_proxy_probe_seconds"))),
        (
            "Viewers closed and refused",
            "ops",
            ("closed: {{cause}}", total(rate("status_proxy_connections_closed_total"), "cause")),
            ("refused: {{reason}}", total(rate("status_proxy_requests_refused_total"), "reason")),
        ),
        (
            "Lines that may have been missed",
            "short",
            ("gaps, {{instance}}", growth("status_proxy_gaps_total")),
            ("probes lost, {{instance}}", growth("status_proxy_probes_lost_total")),
        ),
        ("Resumes", "ops", ("recovered: {{recovered}}", total(rate("status_proxy_resumes_total"), "recovered"))),
        ("Channels", "short", ("{{instance}}", "status_proxy_channels")),
        ("Recorder of history", "short", ("{{instance}}", "status_proxy_is_recorder")),
    ],
    "kafka-ingester": [
        ("Lag", "short", ("{{topic}}", total("kafka_ingester_lag", "topic"))),
        ("Messages applied", "ops", ("{{instance}}", rate("kafka_ingester_messages_applied_total"))),
        ("Partitions", "short", ("{{instance}}", "kafka_ingester_partitions")),
        ("Partitions waiting for Redis", "short", ("{{instance}}", rate("kafka_ingester_paused_seconds_total"))),
        ("Time of a batch in Redis", "s", ("p99, {{outcome}}", quantile(0.99, "kafka_ingester_batch_seconds", "outcome"))),
        (
            "Dead letters",
            "ops",
            ("new", total(rate("kafka_ingester_dead_letters_total"))),
            ("forwarded to Kafka", total(rate("kafka_ingester_dead_letters_forwarded_total"))),
        ),
        (
            "What should not happen",
            "short",
            ("messages lost", total(growth("kafka_ingester_messages_lost_total"))),
            ("partitions read again", total(growth("kafka_ingester_rewinds_total"))),
            ("batches of a replaced owner", total(growth("kafka_ingester_fenced_total"))),
        ),
    ],
    "etl-worker": [
        ("Games that wait, and dead letters", "short", ("waiting", "max(etl_worker_backlog_jobs)"), ("dead", "max(etl_worker_dead_letters)")),
        ("Jobs", "ops", ("{{result}}", total(rate("etl_worker_jobs_total"), "result"))),
        (
            "From a new job to its commit",
            "s",
            ("p50", quantile(0.5, "etl_worker_commit_latency_seconds")),
            ("p99", quantile(0.99, "etl_worker_commit_latency_seconds")),
        ),
        (
            "Trouble",
            "ops",
            ("output errors", total(rate("etl_worker_output_errors_total"))),
            ("found without a message", total(rate("etl_worker_reconciled_total"))),
        ),
    ],
    "object-store": [
        ("Requests", "ops", ("{{type}}", total(rate("object_store_requests_total"), "type"))),
        (
            "Refused",
            "ops",
            ("requests", total(rate("object_store_refused_total"))),
            ("connections", total(rate("object_store_connections_refused_total"))),
        ),
        ("Bytes stored", "bytes", ("{{instance}}", "object_store_content_bytes")),
        (
            "Waiting, and clients",
            "short",
            ("waiting requests, {{instance}}", "object_store_waiting_requests"),
            ("clients, {{instance}}", "object_store_connections"),
        ),
    ],
    "Processes": [
        ("CPU, cores", "short", ("{{job}} {{instance}}", rate("process_cpu_seconds_total"))),
        ("Memory", "bytes", ("{{job}} {{instance}}", "process_resident_memory_bytes")),
        ("Descriptors, share of the limit", "percentunit", ("{{job}} {{instance}}", "process_open_fds / process_max_fds")),
        ("Versions", "short", ("{{job}} {{version}}", 'count by (job, version) ({__name__=~".+_build_info"})')),
    ],
}

SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(title, unit, *queries):
    return {
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "legendFormat": legend, "expr": expression}
            for place, (legend, expression) in enumerate(queries)
        ],
    }


def panels():
    top = 0
    for row, contents in ROWS.items():
        yield {"type": "row", "title": row, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}}
        top += 1
        for place, content in enumerate(contents):
            line, column = divmod(place, PER_LINE)
            position = {"x": column * WIDTH, "y": top + line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield panel(*content) | {"gridPos": position}
        top += -(-len(contents) // PER_LINE) * HEIGHT


dashboard = {
    "uid": "backplane",
    "title": "Backplane",
    "schemaVersion": 38,
    "editable": False,
    "refresh": "30s",
    "time": {"from": "now-3h", "to": "now"},
    "templating": {"list": [{"type": "datasource", "name": "source", "label": "Prometheus", "query": "prometheus"}]},
    "panels": [{"id": number} | panel for number, panel in enumerate(panels(), start=1)],
}
print(json.dumps(dashboard, indent=1))
