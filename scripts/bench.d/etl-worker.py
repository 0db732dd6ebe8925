"""The benchmark of etl-worker. etl-worker.sh runs it with the arguments BIN WORK REDIS_PORT HTTP_PORT
REPLICA_PORT."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from glob import glob

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import redis

binaries, work, redis_port, http_port, replica_port = sys.argv[1:]
client = redis.Redis(port=int(redis_port), decode_responses=True)
environment = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": redis_port, "PATH": os.environ["PATH"]}
failed = []


def figure(what, value, unit, limit=None, good=True):
    line = f"{what:<58}{value:>10,.{0 if value >= 100 else 1}f} {unit:<9}"
    print(line if limit is None else f"{line} (limit {limit}){'' if good else '  MISSED'}", flush=True)
    if not good:
        failed.append(what)


def play(games, seed, copies=0, rate=0):
    """Plays games. Returns the expected rows."""
    command = [f"{binaries}/examples/simulate-games", "--games", games, "--seed", seed, "--copies", copies, "--rate", rate]
    out = subprocess.run(list(map(str, command)), env=environment, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def enqueue(expected):
    """Makes a backlog: the jobs that a listening worker would have created."""
    pipeline = client.pipeline(transaction=False)
    for game in dict.fromkeys(row["game_token"] for row in expected):
        pipeline.xadd("etl:jobs", {"game": game})
    pipeline.execute()


def peak_mb(process):
    """The most memory that a process has had. 0 if it has ended."""
    with open(f"/proc/{process.pid}/status") as status:
        found = re.search(r"VmHWM:\s+(\d+)", status.read())
    return int(found[1]) / 1024 if found else 0


class Worker:
    def __init__(self, output, **settings):
        settings = {"ETL_OUTPUT": output, "LISTEN_ADDR": f"127.0.0.1:{http_port}", "CLEAN_ROUTINE": "True", **settings}
        self.process = subprocess.Popen(
            [f"{binaries}/etl-worker"],
            env={**environment, "DRAIN_DELAY": "0s", "REDIS_EXPIRY": "1", "LOG_LEVEL": "ERROR", **settings},
        )

    def metrics(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/metrics") as reply:
                return dict(line.rsplit(" ", 1) for line in reply.read().decode().splitlines() if line[0] != "#")
        except OSError:
            return {}

    def committed(self):
        return float(self.metrics().get('etl_worker_jobs_total{result="committed"}', 0))

    def wait(self, games):
        """Waits until so many games are committed. Returns games per second, from the first commit to the last."""
        begin, start, first = time.monotonic(), None, 0
        while (done := self.committed()) < games:
            if done and start is None:
                start, first = time.monotonic(), done
            assert time.monotonic() < begin + 60, f"{done} games of {games} within 60 s"
            time.sleep(0.01)
        return (games - first) / (time.monotonic() - (start or begin)) if start else games / (time.monotonic() - begin)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0


def bare_writes(folder):
    """Writes, syncs and renames 2 KB files for two seconds. Returns files per second."""
    os.makedirs(folder)
    count, start = 0, time.monotonic()
    while time.monotonic() < start + 2:
        with open(f"{folder}/tmp", "wb") as file:
            file.write(b"x" * 2048)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{folder}/tmp", f"{folder}/{count}")
        count += 1
    return count / (time.monotonic() - start)


SCHEMAS = {
    "GAME_META": pa.schema({"game_token": pa.utf8(), "user_token": pa.utf8(), "superhero_id": pa.uint16()}),
    "GAME_PODIUM": pa.schema(
        {"game_token": pa.utf8(), "user_token": pa.utf8(), "rank": pa.uint8(), "rounds": pa.uint16()}
        | {"damage_received": pa.uint64(), "damage_sent": pa.uint64()}
    ),
}


def write(rows, name, output):
    for table, schema in SCHEMAS.items():
        path = f"{output}/{table}/{name}.gz.parquet"
        pq.write_table(pa.Table.from_pylist([{c: row[c] for c in schema.names} for row in rows], schema), path, compression="gzip")
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def python_job(games, output):
    """The same job, one game at a time. Returns games per second."""
    for table in SCHEMAS:
        os.makedirs(f"{output}/{table}")
    start = time.monotonic()
    for game in games:
        users = client.smembers(f"games:{game}")
        rows = {}
        for user in users:
            hero = client.hgetall(f"games:{game}:superheros:{user}")
            rows[user] = {"game_token": game, "user_token": user, "superhero_id": int(hero["id"]), "rounds": 0}
            rows[user] |= {"damage_received": 0, "damage_sent": 0, "health": int(hero["health"]), "fell": -1}
        for number, entry in enumerate(client.lrange(f"games:{game}:logs", 0, -1)):
            entry = json.loads(entry)
            details = entry["STATUS"]["DETAILS"]
            sender, enemy = rows[entry["PAYLOAD"]["USER_TOKEN"]], rows[details["ENEMY_TOKEN"]]
            sender["rounds"] += 1
            sender["damage_sent"] += details["ENEMY_DAMAGE"]
            enemy["damage_received"] += details["ENEMY_DAMAGE"]
            if details["ENEMY_HEALTH_POST"] == 0 and enemy["fell"] < 0:
                enemy["fell"] = number
        ranked = sorted(rows.values(), key=lambda row: (-row["health"], -row["fell"]))
        write([{**row, "rank": rank} for rank, row in enumerate(ranked, 1)], f"{game}_python", output)
        for user in users:
            client.expire(f"games:{game}:superheros:{user}", 1)
        for record in ("order", "status", "participants", "host"):
            client.expire(f"games:{game}:{record}", 1)
        client.zrem("games:participants", game)
        client.lrem("games:players:8", 1, game)
        client.delete(f"games:{game}:logs")
    return len(games) / (time.monotonic() - start)


def run(output, games, seed, **settings):
    """Runs a worker on a backlog. Returns games per second, its peak memory, and calls to Redis per game."""
    client.flushall()
    expected = play(games, seed)
    enqueue(expected)
    client.config_resetstat()
    worker = Worker(output, **settings)
    rate = worker.wait(games)
    calls = sum(stat["calls"] for name, stat in client.info("commandstats").items() if name in ("cmdstat_evalsha", "cmdstat_xreadgroup"))
    peak = peak_mb(worker.process)
    worker.stop()
    rows = duckdb.sql(f"SELECT count(*), count(DISTINCT game_token || user_token) FROM '{output}/GAME_PODIUM/**/*.parquet'").fetchall()
    assert rows == [(len(expected), len(expected))], rows
    return rate, peak, calls / games


def group_by(pattern):
    query = f"SELECT rank, count(*), sum(damage_sent), avg(rounds) FROM '{pattern}' GROUP BY rank ORDER BY rank"
    times = []
    for _ in range(7):
        start = time.monotonic()
        rows = duckdb.sql(query).fetchall()
        times.append(time.monotonic() - start)
    return min(times), rows


syncs = bare_writes(f"{work}/bare")
figure("a bare write, fsync and rename", syncs, "/s")
client.flushall()
python = python_job(list(dict.fromkeys(row["game_token"] for row in play(400, 1))), f"{work}/python")
figure("the same job in Python, one game at a time", python, "games/s")

unbatched, _, calls = run(f"{work}/single", 5000, 2)
figure("a file per game", unbatched, "games/s", "500", unbatched >= 500)
figure("  compared with Python", unbatched / python, "times", "5", unbatched >= 5 * python)
figure("  calls to Redis per game, in total", calls, "", "2", calls <= 2)
memory, _, _ = run(f"/dev/shm/etl-bench-{os.getpid()}", 3000, 3)
shutil.rmtree(f"/dev/shm/etl-bench-{os.getpid()}")
figure("  where syncing costs nothing (/dev/shm)", memory, "games/s")
figure("  so writing and syncing to this disk takes", 100 * max(0, 1 - unbatched / memory), "%")

batched, peak, calls = run(f"{work}/batched", 20000, 4, ETL_BATCH_GAMES="2000", ETL_BATCH_MS="1000")
figure("2,000 games per file", batched, "games/s", "2,000", batched >= 2000)
figure("  compared with Python", batched / python, "times", "20", batched >= 20 * python)
figure("  peak memory with 20,000 games waiting", peak, "MB", "128", peak <= 128)

client.flushall()
worker = Worker(f"{work}/latency")
time.sleep(1)
play(1000, 5, copies=1, rate=200)
worker.wait(1000)
buckets = {float(re.search(r'le="([0-9.]+)"', name)[1]): float(value)
           for name, value in worker.metrics().items() if name.startswith("etl_worker_commit_latency_seconds_bucket") and "Inf" not in name}
within = buckets[0.25] / 1000
bound = min((bucket for bucket, count in buckets.items() if count >= 990), default=float("inf"))
figure("from the message to the commit at 200 games/s: p99 within", 1000 * bound, "ms", "250", within >= 0.99)
worker.stop()

client.flushall()
games = dict.fromkeys(row["game_token"] for row in play(100, 6))
completed = sum(client.get(f"games:{game}:status") == "Completed" for game in games)
start, settle = time.monotonic(), 2
worker = Worker(f"{work}/lost", ETL_SETTLE=f"{settle}s")
worker.wait(completed)
late = time.monotonic() - start - settle
figure(f"{completed} games without a message: written after ETL_SETTLE and", late, "s", "5", late <= 5)
worker.stop()

replica = redis.Redis(port=int(replica_port), decode_responses=True)
replica.replicaof("127.0.0.1", redis_port)
while replica.info("replication")["master_link_status"] != "up":
    time.sleep(0.05)
for name, games, batch in [("a file per game", 3000, "1"), ("2,000 games per file", 20000, "2000")]:
    rates = [run(f"{work}/wait{replicas}-{batch}", games, 7, ETL_BATCH_GAMES=batch, ETL_BATCH_MS="1000", REDIS_WAIT_REPLICAS=replicas)[0]
             for replicas in "01"]
    figure(f"{name}, beside a replica", rates[0], "games/s")
    figure("  that confirms, with REDIS_WAIT_REPLICAS=1", 100 * rates[1] / rates[0], "%")
replica.replicaof("NO", "ONE")

one_file = f"{work}/one-file"
for table in SCHEMAS:
    os.makedirs(f"{one_file}/{table}")
rows = [row for path in glob(f"{work}/single/GAME_PODIUM/**/*.parquet", recursive=True) for row in pq.ParquetFile(path).read().to_pylist()]
pq.write_table(pa.Table.from_pylist(rows, SCHEMAS["GAME_PODIUM"]), f"{one_file}/GAME_PODIUM/all.parquet", compression="gzip")
before, small = group_by(f"{work}/single/GAME_PODIUM/**/*.parquet")
start = time.monotonic()
subprocess.run([f"{binaries}/etl-worker", "compact"], env={**environment, "ETL_OUTPUT": f"{work}/single"}, check=True, stdout=subprocess.DEVNULL)
figure("compacting 5,000 games took", 1000 * (time.monotonic() - start), "ms")
after, merged = group_by(f"{work}/single/GAME_PODIUM/**/*.parquet")
ideal, one = group_by(f"{one_file}/GAME_PODIUM/*.parquet")
assert small == merged == one
figure("GROUP BY over 5,000 games, before compaction", 1000 * before, "ms")
figure("  after", 1000 * after, "ms")
figure("  in one file that pyarrow wrote", 1000 * ideal, "ms")
figure("  after, compared with that one", after / ideal, "times", "1.5", after <= 1.5 * ideal)


def write_many(output, files, rows_per_file):
    """Committed files of many games each, as batches leave them."""
    folder = f"{output}/GAME_PODIUM/dt=2026-01-01"
    os.makedirs(folder)
    os.makedirs(f"{output}/GAME_META")
    # With the metadata by which the worker knows its own files.
    schema = pq.read_schema(glob(f"{work}/single/GAME_PODIUM/**/*.parquet", recursive=True)[0])
    for file in range(files):
        row = range(file * rows_per_file, (file + 1) * rows_per_file)
        columns = [[f"game-{number // 4}" for number in row], [f"user-{number}" for number in row], [number % 4 + 1 for number in row],
                   [number % 900 for number in row], [number * 7 % 5000 for number in row], [number * 11 % 5000 for number in row]]
        pq.write_table(pa.table(columns, schema), f"{folder}/batch-{file}.gz.parquet", compression="gzip")


def run_alone(command):
    """Runs a command. Returns the seconds it took and its peak memory in MB."""
    start, peak = time.monotonic(), 0
    process = subprocess.Popen(command, env={**environment, "ETL_OUTPUT": many}, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, peak_mb(process))
        time.sleep(0.05)
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    return time.monotonic() - start, peak


ROWS = int(os.environ.get("ETL_BENCH_ROWS", 10_000_000))
many = f"{work}/many"
write_many(many, 200, ROWS // 200)
client.flushall()
copy = f"COPY (SELECT * FROM '{many}/GAME_PODIUM/**/*.parquet') TO '{work}/copy.parquet' (FORMAT parquet, COMPRESSION gzip)"
copied, copied_mb = run_alone([sys.executable, "-c", f"import duckdb; duckdb.sql('SET threads = 1'); duckdb.sql({copy!r})"])
compacted, compacted_mb = run_alone([f"{binaries}/etl-worker", "compact"])
rows = duckdb.sql(f"SELECT count(*), count(DISTINCT user_token) FROM '{many}/GAME_PODIUM/**/*.parquet'").fetchall()
assert rows == [(ROWS, ROWS)], rows
files = len(glob(f"{many}/GAME_PODIUM/**/*.parquet", recursive=True))
assert files <= 1 + ROWS // 4_000_000, f"{files} files are left"
figure(f"compacting {ROWS:,} rows in 200 files", compacted, "s")
figure("  peak memory", compacted_mb, "MB", "256", compacted_mb <= 256)
figure("  DuckDB's COPY of the same to one file, with one thread", copied, "s")
figure("  its peak memory", copied_mb, "MB")
if failed:
    sys.exit(f"missed: {', '.join(failed)}")
