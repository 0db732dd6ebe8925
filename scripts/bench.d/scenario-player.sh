#!/usr/bin/env bash
# Measures scenario-player, and prints each figure with its limit. Needs BIN (release binaries); starts and stops its own servers.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
: "${BIN:=$target/release}"
bench=$BIN/examples/scenario-bench
scratch

metric() { curl -s "$1/metrics" | awk -v name="$2" 'index($1, name) == 1 { sum += $2 } END { printf "%.0f\n", sum }'; }

redis=$(free_port)
start "$redis" "$work/redis.log" redis-server --port "$redis" --save "" --dir "$work"
mqtt=$(free_port)
printf 'user root\nmax_inflight_messages 0\nmax_queued_messages 0\nlistener %s 127.0.0.1\nallow_anonymous true\n' "$mqtt" >"$work/mqtt.conf"
start "$mqtt" "$work/mqtt.log" mosquitto -c "$work/mqtt.conf"

start_player() { # VARS...; sets url and pid
  local port
  port=$(free_port)
  start "$port" "$work/player.log" env "$@" MQTT_HOST=127.0.0.1 MQTT_PORT="$mqtt" LISTEN_ADDR="127.0.0.1:$port" \
    DRAIN_DELAY=0 LOG_LEVEL=ERROR "$BIN/scenario-player"
  pid=${children[-1]} url=http://127.0.0.1:$port
  until [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/ready")" = 200 ]; do sleep 0.05; done
}
stop_player() { kill "$1"; wait "$1" || true; }
on_redis=(USE_REDIS_BACKEND=true REDIS_HOST=127.0.0.1 "REDIS_PORT=$redis")

# Prints a quantile of the lateness at all URLs together, in ms: the upper bound of its bucket.
lateness() { # QUANTILE URL...
  local q=$1; shift
  for u in "$@"; do curl -s "$u/metrics"; done | awk -v q="$q" '
    /^scenario_player_lateness_seconds_bucket/ { match($1, /le="[^"]*"/); le = substr($1, RSTART + 4, RLENGTH - 5); n[le] += $2 }
    END { total = n["+Inf"]; best = "more than 1000"
      split("0.00025 0.0005 0.00075 0.001 0.00125 0.0015 0.002 0.003 0.004 0.005 0.0075 0.01 0.025 0.1 1", les, " ")
      for (i = 1; i in les; i++) if (n[les[i]] >= q * total) { best = les[i] * 1000; break }
      print best }'
}

echo "lateness (publish minus due), Redis backend, two instances"
for rate in 1000 5000 10000 20000; do
  redis-cli -p "$redis" flushall >/dev/null
  start_player "${on_redis[@]}"; one=$url; one_pid=$pid; start_player "${on_redis[@]}"; two=$url; two_pid=$pid
  steps=$((rate * 10 / 200))
  "$bench" post "$one" 200 "$steps" 8000 $((1000000 / rate)) >/dev/null
  for _ in $(seq 120); do
    [ "$(($(metric "$one" scenario_player_events_published_total) + $(metric "$two" scenario_player_events_published_total)))" -ge $((steps * 200)) ] && break
    sleep 0.25
  done
  limit=''; [ "$rate" = 5000 ] && limit='   (limit: 1.5 and 5)'
  echo "  $rate events/s: p50 <= $(lateness 0.5 "$one" "$two") ms, p99 <= $(lateness 0.99 "$one" "$two") ms$limit"
  stop_player "$one_pid"; stop_player "$two_pid"
done

measure_backlog() { # QOS VARS...; prints how many events/s one instance publishes from a backlog
  local qos=$1; shift
  start_player "$@" "MQTT_QOS=$qos" CONSUME_FROM=earliest
  "$bench" post "$url" 100 $((messages / 100)) 10000 2 >/dev/null
  "$bench" overdue "$url" "$mqtt" "$messages"
  stop_player "$pid"
}
messages=400000
echo "throughput through one instance, against rumqttc alone on the same broker (limit: 80 %)"
for qos in 1 0; do
  alone=$("$bench" limit "$mqtt" "$qos" "$messages")
  redis-cli -p "$redis" flushall >/dev/null
  memory=$(measure_backlog "$qos" USE_REDIS_BACKEND=false)
  shared=$(measure_backlog "$qos" "${on_redis[@]}")
  echo "  QoS $qos: rumqttc alone $alone/s; memory $memory/s = $((memory * 100 / alone)) %; Redis $shared/s = $((shared * 100 / alone)) %"
done

echo "100,000 steps posted and scheduled (limit: 1.5 s)"
redis-cli -p "$redis" flushall >/dev/null
start_player "${on_redis[@]}"; echo "  Redis: $("$bench" post "$url" 1 100000 3600000 1000) s"; stop_player "$pid"
start_player USE_REDIS_BACKEND=false; before=$(metric "$url" process_resident_memory_bytes)
echo "  memory: $("$bench" post "$url" 1 100000 3600000 1000) s"
"$bench" post "$url" 100 4000 3600000 1000 >/dev/null
after=$(metric "$url" process_resident_memory_bytes)
echo "memory per scheduled step, memory backend: $(((after - before) / 500000)) bytes (limit: 200)"
stop_player "$pid"

# The same posts with a replica beside the primary, without and with waiting for it. In turn, so that both see the same machine.
replica=$(free_port)
start "$replica" "$work/replica.log" redis-server --port "$replica" --save "" --dir "$work" --replicaof 127.0.0.1 "$redis"
replica_pid=${children[-1]}
until redis-cli -p "$replica" info replication | grep -q master_link_status:up; do sleep 0.1; done
measure_posts() { # REPLICAS; prints the seconds that 2,000 posts of 10 steps took
  redis-cli -p "$redis" flushall >/dev/null
  start_player "${on_redis[@]}" "REDIS_WAIT_REPLICAS=$1"
  "$bench" post "$url" 2000 10 3600000 1000
  stop_player "$pid"
}
for _ in 1 2 3; do
  without=$(measure_posts 0) with=$(measure_posts 1)
  awk -v a="$without" -v b="$with" 'BEGIN {
    printf "2,000 posts of 10 steps, one after the other: %.2f ms each, with REDIS_WAIT_REPLICAS=1 %.2f ms = %.0f %%\n", a / 2, b / 2, 100 * b / a }'
done
kill "$replica_pid"

redis-cli -p "$redis" flushall >/dev/null
start_player "${on_redis[@]}"; sleep 5
commands() { redis-cli -p "$redis" info stats | awk -F: '/^total_commands_processed/ { print $2 + 0 }'; }
before=$(commands); sleep 40; after=$(commands)
awk -v n=$((after - before - 1)) 'BEGIN { printf "an idle instance: %.2f Redis commands/s, with those that ask the connections (limit: 0.5 of its own)\n", n / 40 }'
