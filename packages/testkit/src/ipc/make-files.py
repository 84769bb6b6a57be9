"""Writes the Arrow IPC files of ipc-files.test.ts with pyarrow; values follow from the row number, see there."""

import datetime
import decimal
import sys

import pyarrow as pa

ROWS = 150
rows = list(range(ROWS))


def every(step, values):
    """Null where the row number is divisible by step."""
    return [None if row % step == 0 else value for row, value in zip(rows, values)]


text = ["x" * (row % 20) + str(row) for row in rows]
days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=row) for row in rows]
cents = [decimal.Decimal(7 * row - 100) / 100 for row in rows]
columns = {
    "i8": pa.array(every(5, [row % 100 - 50 for row in rows]), pa.int8()),
    "u8": pa.array(rows, pa.uint8()),
    "i16": pa.array([-row for row in rows], pa.int16()),
    "u16": pa.array(every(7, rows), pa.uint16()),
    "nested": pa.array([[row, row + 1] for row in rows], pa.list_(pa.int32())),
    "i32": pa.array(every(3, rows), pa.int32()),
    "u32": pa.array(rows, pa.uint32()),
    "i64": pa.array([row * 10**12 for row in rows], pa.int64()),
    "u64": pa.array(every(4, rows), pa.uint64()),
    "f32": pa.array([row / 4 for row in rows], pa.float32()),
    "f64": pa.array(every(6, [row / 8 for row in rows]), pa.float64()),
    "bool": pa.array(every(5, [row % 3 == 0 for row in rows]), pa.bool_()),
    "text": pa.array(every(5, text), pa.string()),
    "struct": pa.array([{"a": row, "v": "v" * (row % 30)} for row in rows], pa.struct([("a", pa.int16()), ("v", pa.string_view())])),
    "large": pa.array(text, pa.large_string()),
    "view": pa.array(every(7, text), pa.string_view()),
    "date": pa.array(every(4, days), pa.date32()),
    "date64": pa.array(days, pa.date64()),
    "ms": pa.array(rows, pa.int64()).cast(pa.timestamp("ms")),
    "us": pa.array(every(3, rows), pa.int64()).cast(pa.timestamp("us", "UTC")),
    "dec32": pa.array(every(3, cents), pa.decimal32(8, 2)),
    "dec64": pa.array(cents, pa.decimal64(15, 2)),
    "dec128": pa.array(every(7, cents), pa.decimal128(30, 2)),
    "dict": pa.array(every(9, [f"key number {row % 10}" for row in rows])).dictionary_encode(),
    "dict8": pa.array([f"k{row % 10}" for row in rows]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
    "dictInt": pa.array([row % 7 * 10 for row in rows], pa.int64()).dictionary_encode(),
    "nothing": pa.nulls(ROWS),
    "binary": pa.array([b"x"] * ROWS, pa.binary()),
    "last": pa.array(rows, pa.int32()),
}
table = pa.table(columns)
for name, chunk, compression in [("plain", 60, None), ("lz4", 60, "lz4"), ("zstd", 150, "zstd")]:
    with pa.OSFile(f"{sys.argv[1]}/{name}.arrow", "wb") as sink:
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_file(sink, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=chunk)
