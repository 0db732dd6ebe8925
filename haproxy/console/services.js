// What the console shows of each service. The metrics are those of the services' READMEs.

// A figure of all instances of a service together. `metric` is a name, or a name with a label: name{label="value"}.
const rate = (label, metric) => ({ label, metric, read: "rate", join: "sum" });
// What each instance has for itself adds up; of what all instances see in one Redis, the largest is right.
const own = (label, metric) => ({ label, metric, read: "value", join: "sum" });
const shared = (label, metric) => ({ label, metric, read: "value", join: "max" });
const sharedRate = (label, metric) => ({ label, metric, read: "rate", join: "max" });
// The mean of a histogram or a summary since the last look, in milliseconds.
const meanMs = (label, metric) => ({ label, metric, read: "mean", join: "max", unit: "ms" });
const bytes = (figure) => ({ ...figure, unit: "bytes" });

export const SERVICES = [
  {
    name: "scenario-player",
    page: "scenario-player/",
    about: "customers walk through a shop; each step is published over MQTT when it is due",
    figures: [
      rate("steps published per second", "scenario_player_events_published_total"),
      meanMs("lateness of a step", "scenario_player_lateness_seconds"),
      rate("steps posted per second", "scenario_player_steps_posted_total"),
      shared("dead letters", "scenario_player_dead_letters"),
    ],
  },
  {
    name: "status-proxy",
    page: "status-proxy/",
    about: "the status lines of a run, live and with history",
    figures: [
      rate("lines delivered per second", "status_proxy_deliveries_total"),
      own("viewers", "status_proxy_viewers"),
      sharedRate("lines received per second", "status_proxy_lines_total"),
      own("gaps since the start", "status_proxy_gaps_total"),
    ],
  },
  {
    name: "preflight",
    page: "preflight/",
    about: "which steps of a run are done and still current, live",
    figures: [
      own("runs that are watched", "preflight_runs"),
      own("open sockets", "preflight_connections"),
      rate("checklists per second", "preflight_answers_total"),
      meanMs("time to read a run", "preflight_read_seconds"),
    ],
  },
  {
    name: "kafka-ingester",
    page: "kafka-ingester/",
    about: "messages of a Kafka topic become hashes in Redis, exactly once",
    figures: [
      rate("messages per second", "kafka_ingester_messages_applied_total"),
      own("lag in messages", "kafka_ingester_lag"),
      shared("dead letters", "kafka_ingester_dead_letters"),
      own("partitions", "kafka_ingester_partitions"),
    ],
  },
  {
    name: "etl-worker",
    page: "etl-worker/",
    about: "finished games become Parquet files, each once",
    figures: [
      rate("games committed per second", 'etl_worker_jobs_total{result="committed"}'),
      shared("jobs that wait", "etl_worker_backlog_jobs"),
      shared("dead letters", "etl_worker_dead_letters"),
      rate("rows per second", "etl_worker_rows_total"),
    ],
  },
  {
    name: "object-store",
    page: "object-store/",
    about: "the objects of an opengris-scaler cluster",
    figures: [
      rate("requests per second", "object_store_requests_total"),
      shared("objects", "object_store_objects"),
      bytes(shared("bytes of contents", "object_store_content_bytes")),
      own("requests that wait for an object", "object_store_waiting_requests"),
    ],
  },
];
