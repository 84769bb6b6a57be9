"""Python's side of scripts/parquet-interop.mjs: writes Parquet files with pyarrow and polars, and compares files.

A one-off check, not part of CI: needs pyarrow and polars. Started by the .mjs script with one of two commands:

  write FOLDER [--quick]   the matrix: FOLDER/NAME.parquet by pyarrow or polars, and FOLDER/truth/DATA.arrow (IPC)
                           with the rows each file was made from; prints a JSON list of {file, truth, name}
  compare LIST.json        LIST: [{file, truth, name}]; reads each file with pyarrow and polars and compares with the
                           truth; prints a JSON list of {name, reader, problem}

All columns are compared bit by bit: NaN equals NaN, and -0 does not equal 0.
"""

import datetime
import decimal
import itertools
import json
import os
import random
import sys

import polars
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

CODECS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]
NULLS = ["none", "all", "tenth", "alternating", "runs"]
VALUES = ["few", "many", "sorted"]
SIZES = [0, 1, 130, 3000]

INTS = {
    "int8": (pa.int8(), -(2**7), 2**7 - 1),
    "int16": (pa.int16(), -(2**15), 2**15 - 1),
    "int32": (pa.int32(), -(2**31), 2**31 - 1),
    "int64": (pa.int64(), -(2**63), 2**63 - 1),
    "uint8": (pa.uint8(), 0, 2**8 - 1),
    "uint16": (pa.uint16(), 0, 2**16 - 1),
    "uint32": (pa.uint32(), 0, 2**32 - 1),
    "uint64": (pa.uint64(), 0, 2**64 - 1),
    "timestamp_ms": (pa.timestamp("ms"), -(10**12), 10**12),
    "timestamp_us": (pa.timestamp("us"), -(10**15), 10**15),
    "timestamp_ns": (pa.timestamp("ns"), -(10**18), 10**18),
    "timestamp_tz": (pa.timestamp("us", tz="UTC"), -(10**15), 10**15),
    "date": (pa.date32(), -40000, 40000),
}
DECIMALS = {"decimal_4_1": (4, 1), "decimal_9_2": (9, 2), "decimal_18_4": (18, 4), "decimal_38_6": (38, 6)}
FLOATS = {"float32": pa.float32(), "float64": pa.float64()}
SPECIAL = [float("nan"), -0.0, 0.0, float("inf"), float("-inf"), 1.5]
WORDS = ["", "ÄÖ漢字🙂", "twelve bytes", "thirteen byte", "x" * 70, "a"]


def is_null(pattern, row, column):
    if pattern == "none":
        return False
    if pattern == "all":
        return True
    if pattern == "tenth":
        return (row * 2654435761 + column * 977) % 10 == 0
    if pattern == "alternating":
        return row % 2 == column % 2
    return (row // (97 + column)) % 3 == 0


def make_table(values, nulls, size):
    """One column of every type of the engine."""
    rng = random.Random(f"{values} {nulls} {size}")
    arrays, names = [], []

    def add(name, make, build):
        cells = [None if is_null(nulls, row, len(names)) else make(row) for row in range(size)]
        names.append(name)
        arrays.append(build(cells))

    for name, (kind, low, high) in INTS.items():
        physical = pa.int32() if name == "date" else pa.int64() if name.startswith("timestamp") else kind

        def make(row, low=low, high=high):
            if values == "few":
                return rng.randrange(7)
            if values == "sorted":
                return min(row % 250, high)
            return rng.choice([low, high]) if rng.random() < 0.1 else rng.randint(low, high)

        add(name, make, lambda cells, p=physical, k=kind: pa.array(cells, p).cast(k) if p != k else pa.array(cells, k))
    for name, kind in FLOATS.items():

        def make_float(row):
            if values == "few" or rng.random() < 0.1:
                return rng.choice(SPECIAL)
            return row / 8 if values == "sorted" else rng.uniform(-1000, 1000)

        add(name, make_float, lambda cells, k=kind: pa.array(cells, k))
    for name, (precision, scale) in DECIMALS.items():

        def make_decimal(row, precision=precision, scale=scale):
            scaled = {"few": rng.randrange(7), "sorted": row % 900}.get(values)
            if scaled is None:
                scaled = rng.randint(-(10**precision) + 1, 10**precision - 1)
            with decimal.localcontext(prec=50):
                return decimal.Decimal(scaled).scaleb(-scale)

        add(name, make_decimal, lambda cells, p=precision, s=scale: pa.array(cells, pa.decimal128(p, s)))

    def make_text(row):
        if values == "few":
            return f"value {rng.randrange(7)}"
        if values == "sorted":
            return f"key-{row:08d}-{row % 3}"
        return rng.choice(WORDS) if rng.random() < 0.5 else str(rng.getrandbits(64))

    add("text", make_text, lambda cells: pa.array(cells, pa.string()))
    add("boolean", lambda row: (row % 200 < 100) if values == "sorted" else rng.random() < 0.5, lambda c: pa.array(c, pa.bool_()))
    names.append("row")
    arrays.append(pa.array(range(size), pa.int64()))
    return pa.table(arrays, names=names)


def encoding_of(plan, field):
    """The explicit encoding of a column under a plan, or None."""
    kind = field.type
    integer = pa.types.is_integer(kind) or pa.types.is_temporal(kind)
    if plan == "delta":
        if integer:
            return "DELTA_BINARY_PACKED"
        if pa.types.is_string(kind):
            return "DELTA_LENGTH_BYTE_ARRAY"
        if pa.types.is_boolean(kind):
            return "RLE"
    if plan == "prefix" and (pa.types.is_string(kind) or pa.types.is_decimal(kind)):
        return "DELTA_BYTE_ARRAY"
    if plan == "split" and (integer or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return "BYTE_STREAM_SPLIT"
    return "PLAIN" if plan != "dictionary" else None


def pyarrow_settings():
    """Keyword arguments of write_table by name; `plan` is taken out before."""
    plans = ["dictionary", "plain", "delta", "prefix", "split"]
    for plan, codec, version, page in itertools.product(plans, CODECS, ["1.0", "2.0"], [400, None]):
        extra = {"data_page_size": page, "write_batch_size": 64, "row_group_size": 1000} if page else {}
        checked = (len(codec) + len(plan)) % 2 == 0
        yield f"pyarrow {plan} {codec} v{version} page {page or 'default'}{' crc index' if checked else ''}", {
            "plan": plan,
            "compression": codec,
            "data_page_version": version,
            "write_page_index": checked,
            "write_page_checksum": checked,
            **extra,
        }
    for codec in ["none", "snappy"]:
        yield f"pyarrow int96 {codec}", {"plan": "dictionary", "compression": codec, "use_deprecated_int96_timestamps": True}
        yield f"pyarrow int decimals {codec}", {"plan": "delta", "compression": codec, "store_decimal_as_integer": True}
        yield f"pyarrow format 1.0 {codec}", {"plan": "plain", "compression": codec, "version": "1.0"}
    yield "pyarrow no statistics, no schema", {"plan": "dictionary", "write_statistics": False, "store_schema": False}


def polars_settings():
    for codec in ["uncompressed", "snappy", "gzip", "brotli", "zstd", "lz4"]:
        for statistics in [True, False]:
            for rows in [None, 1000]:
                yield f"polars {codec} statistics {statistics} groups of {rows}", {
                    "compression": codec,
                    "statistics": statistics,
                    "row_group_size": rows,
                    "data_page_size": 2000 if rows else None,
                }


def write_pyarrow(table, path, settings):
    settings = dict(settings)
    plan = settings.pop("plan")
    if plan == "dictionary":
        settings["use_dictionary"] = True
        settings["dictionary_pagesize_limit"] = 4000 if "data_page_size" in settings else 1 << 20
    else:
        settings["use_dictionary"] = False
        chosen = {field.name: encoding_of(plan, field) for field in table.schema}
        if settings.get("store_decimal_as_integer"):
            # Then some decimals are integers, which take another encoding than the long ones.
            chosen = {name: "PLAIN" if name.startswith("decimal") else encoding for name, encoding in chosen.items()}
        settings["column_encoding"] = chosen
    pq.write_table(table, path, **settings)


def write_matrix(folder, quick):
    os.makedirs(os.path.join(folder, "truth"), exist_ok=True)
    listed, failed = [], []
    number = 0
    all_data = list(itertools.product(VALUES, NULLS, SIZES))
    writers = [(name, settings, write_pyarrow) for name, settings in pyarrow_settings()]
    writers += [
        (name, settings, lambda table, path, kept: polars.from_arrow(table).write_parquet(path, **kept))
        for name, settings in polars_settings()
    ]
    for index, (values, nulls, size) in enumerate(all_data):
        table = make_table(values, nulls, size)
        truth = os.path.join(folder, "truth", f"{index}.arrow")
        with pa.ipc.new_file(truth, table.schema) as writer:
            writer.write_table(table)
        for at, (name, settings, write) in enumerate(writers):
            if quick and (at + index * 7) % 29 != 0:
                continue
            path = os.path.join(folder, f"{number}.parquet")
            number += 1
            label = f"{name}: {values} values, nulls {nulls}, {size} rows"
            try:
                write(table, path, settings)
                listed.append({"file": path, "truth": truth, "name": label})
            except Exception as error:  # noqa: BLE001 — a writer that refuses its own options is told, not fatal
                failed.append(f"{label}: {error}"[:200])
    json.dump({"files": listed, "failed": failed}, sys.stdout)


def plain_column(column):
    """A column in one form for all writers: chunks joined, dictionaries and views decoded, units of time in ns."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        factor = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}[kind.unit]
        cells = column.cast(pa.int64()).to_pylist()
        return [None if cell is None else cell * factor for cell in cells]
    return column


def cells_of(column):
    column = plain_column(column)
    if isinstance(column, list):
        return column
    if pa.types.is_floating(column.type):
        return [None if cell is None else cell.hex() if cell == cell else "nan" for cell in column.to_pylist()]
    return column.to_pylist()


def difference(found, truth):
    if found.column_names != truth.column_names:
        return f"columns are {found.column_names}"
    if found.num_rows != truth.num_rows:
        return f"{found.num_rows} rows, expected {truth.num_rows}"
    for name in truth.column_names:
        a, b = cells_of(found[name]), cells_of(truth[name])
        for row, (left, right) in enumerate(zip(a, b)):
            if left != right:
                return f"column {name} ({found[name].type}), row {row}: {left!r}, expected {right!r}"
    return None


def compare_files(list_path):
    with open(list_path, encoding="utf-8") as file:
        listed = json.load(file)
    problems, truths = [], {}
    for entry in listed:
        path = entry["truth"]
        if path not in truths:
            truths[path] = pa.ipc.open_file(path).read_all()
        for reader, read in [
            ("pyarrow", lambda name: pq.read_table(name, page_checksum_verification=True)),
            ("polars", lambda name: polars.read_parquet(name).to_arrow()),
        ]:
            try:
                problem = difference(read(entry["file"]), truths[path])
            except Exception as error:  # noqa: BLE001 — any refusal is a result of the comparison
                problem = str(error)[:300]
            if problem is not None:
                problems.append({"name": entry["name"], "reader": reader, "problem": problem})
    json.dump(problems, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write_matrix(sys.argv[2], "--quick" in sys.argv)
    else:
        compare_files(sys.argv[2])
