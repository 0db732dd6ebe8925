"""Reads the tables of column_types.toml with pyarrow, DuckDB and Polars: OUTPUT. Each must see the types and the values."""

import sys
from datetime import datetime, timezone
from decimal import Decimal

import duckdb
import polars
import pyarrow as pa
import pyarrow.dataset as ds

output = sys.argv[1]
time = datetime(2026, 11, 21, 10, 0, 0, 250000, tzinfo=timezone.utc)
early = datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
utc = pa.timestamp("us", tz="UTC")
# column: type in Arrow, whether it may be null, type in DuckDB, value
values = {
    "id": (pa.utf8(), False, "VARCHAR", "s1"),
    "text": (pa.utf8(), False, "VARCHAR", "grüß dich"),
    "boolean": (pa.bool_(), False, "BOOLEAN", True),
    "int8": (pa.int8(), False, "TINYINT", -(2**7)),
    "int16": (pa.int16(), False, "SMALLINT", -(2**15)),
    "int32": (pa.int32(), False, "INTEGER", -(2**31)),
    "int64": (pa.int64(), False, "BIGINT", -(2**63)),
    "uint8": (pa.uint8(), False, "UTINYINT", 2**8 - 1),
    "uint16": (pa.uint16(), False, "USMALLINT", 2**16 - 1),
    "uint32": (pa.uint32(), False, "UINTEGER", 2**32 - 1),
    "uint64": (pa.uint64(), False, "UBIGINT", 2**64 - 1),
    "float32": (pa.float32(), False, "FLOAT", 0.5),
    "float64": (pa.float64(), False, "DOUBLE", 0.1),
    "price": (pa.decimal128(18, 4), False, "DECIMAL(18,4)", Decimal("-12345678901234.5678")),
    "time": (utc, False, "TIMESTAMP WITH TIME ZONE", time),
    "whole": (pa.uint16(), False, "USMALLINT", 1000),
    "no_text": (pa.utf8(), True, "VARCHAR", None),
    "no_number": (pa.int32(), True, "INTEGER", None),
    "no_price": (pa.decimal128(9, 2), True, "DECIMAL(9,2)", None),
    "no_time": (utc, True, "TIMESTAMP WITH TIME ZONE", None),
}
lists = {
    "id": (pa.utf8(), False, "VARCHAR", "s1"),
    "number": (pa.uint64(), False, "UBIGINT", 1),
    "texts": (pa.list_(pa.utf8()), False, "VARCHAR[]", ["a", "b"]),
    "booleans": (pa.list_(pa.bool_()), False, "BOOLEAN[]", [True, False]),
    "numbers": (pa.list_(pa.int8()), False, "TINYINT[]", [-128, 127]),
    "unsigned": (pa.list_(pa.uint64()), False, "UBIGINT[]", [2**64 - 1]),
    "floats": (pa.list_(pa.float64()), False, "DOUBLE[]", [0.5, 1.0]),
    "prices": (pa.list_(pa.decimal128(9, 2)), False, "DECIMAL(9,2)[]", [Decimal("2.50"), Decimal("-10.00")]),
    "times": (pa.list_(utc), False, "TIMESTAMP WITH TIME ZONE[]", [time, early]),
    "none": (pa.list_(pa.utf8()), True, "VARCHAR[]", None),
}


def is_type(found, expected):
    """Whether it is this type; the name of a list's element does not matter."""
    if pa.types.is_list(expected):
        return pa.types.is_list(found) and found.value_type == expected.value_type
    return found == expected


for table, columns in {"VALUES": values, "LISTS": lists}.items():
    files = ds.dataset(f"{output}/{table}", format="parquet")
    for name, (kind, is_nullable, _, _) in columns.items():
        field = files.schema.field(name)
        assert is_type(field.type, kind) and field.nullable == is_nullable, (table, field)
    assert files.schema.names == list(columns), files.schema.names
    (row,) = files.to_table().to_pylist()
    expected = {name: value for name, (*_, value) in columns.items()}
    assert row == expected, row

    session = duckdb.connect()
    session.sql("SET TimeZone = 'UTC'")
    pattern = f"'{output}/{table}/**/*.parquet'"
    described = {name: kind for name, kind, *_ in session.sql(f"DESCRIBE SELECT * EXCLUDE (dt) FROM {pattern}").fetchall()}
    assert described == {name: kind for name, (_, _, kind, _) in columns.items()}, described
    (found,) = session.sql(f"SELECT * EXCLUDE (dt) FROM {pattern}").to_arrow_table().to_pylist()
    assert found == expected, found

    (found,) = polars.scan_parquet(f"{output}/{table}/**/*.parquet").select(list(columns)).collect().to_dicts()
    assert found == expected, found
