"""Reads both tables with pyarrow and DuckDB: OUTPUT CODEC ROWS SUM_RANK SUM_ROUNDS SUM_RECEIVED SUM_SENT."""

import sys
from glob import glob

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

output, codec = sys.argv[1:3]
rows, *sums = map(int, sys.argv[3:])
columns = {
    "GAME_META": {"game_token": pa.utf8(), "user_token": pa.utf8(), "superhero_id": pa.uint16()},
    "GAME_PODIUM": {
        "game_token": pa.utf8(),
        "user_token": pa.utf8(),
        "rank": pa.uint8(),
        "rounds": pa.uint16(),
        "damage_received": pa.uint64(),
        "damage_sent": pa.uint64(),
    },
}
duck = {"string": "VARCHAR", "uint8": "UTINYINT", "uint16": "USMALLINT", "uint64": "UBIGINT"}

for table, types in columns.items():
    dataset = ds.dataset(f"{output}/{table}", format="parquet").to_table()
    assert {field.name: field.type for field in dataset.schema} == types, dataset.schema
    assert dataset.num_rows == rows, dataset.num_rows
    pattern = f"{output}/{table}/**/*.parquet"
    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{pattern}'").fetchall()
    expected = [(name, duck[str(kind)]) for name, kind in types.items()] + [("dt", "DATE")]
    assert [(name, kind) for name, kind, *_ in described] == expected, described
    for path in glob(pattern, recursive=True):
        metadata = pq.ParquetFile(path).metadata
        assert metadata.metadata[b"backplane.schema"] == f"{table}/1".encode()
        for index in range(metadata.num_columns):
            column = metadata.row_group(0).column(index)
            assert column.is_stats_set and column.statistics.has_min_max, (path, index)
            assert column.compression == codec.upper(), column.compression

podium = f"'{output}/GAME_PODIUM/**/*.parquet'"
found = duckdb.sql(f"SELECT count(*), sum(rank), sum(rounds), sum(damage_received), sum(damage_sent) FROM {podium}")
assert found.fetchall() == [(rows, *sums)]
joined = f"SELECT count(*) FROM {podium} JOIN '{output}/GAME_META/**/*.parquet' USING (game_token, user_token)"
assert duckdb.sql(joined).fetchall() == [(rows,)]
