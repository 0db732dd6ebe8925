"""Reads tables again and again until its input ends: READER… -- FOLDER TABLE KEY[,KEY] LEAST …

Each row must be there once, no count may be less than the one before, and none less than LEAST. A reader that finds a file
gone opens again. Prints a JSON line per reader and table: reads, reopened, rows of the last read.
"""

import json
import sys
import threading
from pathlib import Path


def duckdb():
    import duckdb

    def read(folder, keys):
        row = f"({', '.join(keys)})" if len(keys) > 1 else keys[0]
        found = duckdb.connect().sql(f"SELECT count(*), count(DISTINCT {row}) FROM '{folder}/**/*.parquet'")
        return found.fetchall()[0]

    return read


def polars():
    import polars

    def read(folder, keys):
        rows = polars.scan_parquet(f"{folder}/**/*.parquet", hive_partitioning=True).select(keys).collect()
        return rows.height, rows.n_unique()

    return read


def pyarrow():
    import pyarrow.dataset

    def read(folder, keys):
        rows = pyarrow.dataset.dataset(folder, format="parquet", partitioning="hive").to_table(columns=keys)
        return rows.num_rows, rows.group_by(keys).aggregate([]).num_rows

    return read


def pandas():
    import pandas

    def read(folder, keys):
        rows = pandas.read_parquet(folder, columns=keys)
        return len(rows), len(rows.drop_duplicates())

    return read


def spark():
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.shuffle.partitions", "1").getOrCreate()

    def read(folder, keys):
        rows = session.read.parquet(folder).select(*keys)
        return rows.count(), rows.distinct().count()

    return read


def is_gone(error):
    """Whether a file was replaced after the reader had listed it. pyarrow leaves out what is gone when it looks at what it listed:
    if that is all, it finds no columns."""
    text = str(error)
    if "No match for FieldRef" in text:
        return True
    gone = ("No such file", "does not exist", "FILE_NOT_EXIST", "FileNotFoundException", "not found")
    return isinstance(error, FileNotFoundError) or any(words in text for words in gone)


def table_folder(output, table):
    """Where the table is: in the latest snapshot, if there is one."""
    latest = Path(output, "COMPACTED/latest")
    return str(Path(output, "COMPACTED", latest.read_text(), table) if latest.exists() else Path(output, table))


def read_repeatedly(name, read, output, table, keys, least, results):
    reads = reopened = rows = 0
    is_last = False
    while not is_last:
        is_last = stopped.is_set()
        try:
            rows, distinct = read(table_folder(output, table), keys)
        except Exception as error:
            if not is_gone(error):
                raise
            reopened += 1
            is_last = False
            continue
        assert rows == distinct, f"{name}: {rows} rows of {table}, {distinct} of which differ"
        assert rows >= least, f"{name}: {rows} rows of {table}, after {least}"
        least = rows
        reads += 1
    results.append({"reader": name, "table": f"{output}/{table}", "reads": reads, "reopened": reopened, "rows": rows})


stopped = threading.Event()
separator = sys.argv.index("--")
names, tables = sys.argv[1:separator], sys.argv[separator + 1 :]
readers = {name: globals()[name]() for name in names}
results, threads = [], []
for name, read in readers.items():
    for place in range(0, len(tables), 4):
        output, table, keys, least = tables[place : place + 4]
        arguments = (name, read, output, table, keys.split(","), int(least), results)
        threads.append(threading.Thread(target=read_repeatedly, args=arguments, daemon=True))
for thread in threads:
    thread.start()
print("reading", flush=True)
sys.stdin.read()
stopped.set()
for thread in threads:
    thread.join()
assert len(results) == len(threads), "a reader failed"
for result in results:
    print(json.dumps(result))
