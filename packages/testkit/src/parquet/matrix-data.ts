/**
 * The rows of the Parquet matrix: one table with a column of every type, made by SQL from row numbers, for each value
 * pattern (what dictionaries, runs and deltas make of it), null pattern and size.
 */

export const valuePatterns = ['few', 'many', 'sorted'] as const
export type ValuePattern = (typeof valuePatterns)[number]

export const nullPatterns = ['none', 'all', 'tenth', 'alternating', 'runs'] as const
export type NullPattern = (typeof nullPatterns)[number]

/** Around the sizes of bit-packed groups and pages; 3,000 rows make two row groups where a writer can. */
export const matrixRowCounts = [0, 1, 9, 130, 3000] as const

export interface MatrixData {
  readonly values: ValuePattern
  readonly nulls: NullPattern
  readonly rowCount: number
}

/** Which encodings a column admits follows from how Parquet stores it. */
export type StorageGroup = 'boolean' | 'int' | 'float' | 'text' | 'fixed'

export interface MatrixColumn {
  readonly name: string
  readonly storage: StorageGroup
  /** SQL by value pattern; `h` is a hash of the row (uint64), `i` the row's number (int64). */
  readonly sql: Readonly<Record<ValuePattern, string>>
}

/** An integer type of `bits`: few values, values over the whole range (both ends included), and a slow rise. */
function integerColumn(name: string, type: string, min: bigint, max: bigint): MatrixColumn {
  const range = max - min + 1n
  return {
    name,
    storage: 'int',
    sql: {
      few: `(h % 7)::${type}`,
      many: `CASE h % 11 WHEN 0 THEN ${min} WHEN 1 THEN ${max}
        ELSE (h::HUGEINT * 977) % ${range}::HUGEINT + (${min})::HUGEINT END::${type}`,
      sorted: `((i * ${max < 1000n ? '1' : '3'}) % 120)::${type}`,
    },
  }
}

function floatColumn(name: string, type: string): MatrixColumn {
  const special = ["'NaN'", "'-0.0'", "'0.0'", "'Infinity'", "'-Infinity'", "'1.5'"]
  const choose = (other: string) =>
    `CASE h % 7 ${special.map((text, index) => `WHEN ${index} THEN ${text}::${type}`).join(' ')} ELSE ${other} END`
  return {
    name,
    storage: 'float',
    sql: {
      few: choose(`'-2.25'::${type}`),
      many: `CASE WHEN h % 5 = 0 THEN ${choose(`0.1::${type}`)} ELSE ((h % 1000003)::${type} / 7 - 1000) END`,
      sorted: `(i / 8)::${type}`,
    },
  }
}

function decimalColumn(precision: number, scale: number): MatrixColumn {
  const type = `DECIMAL(${precision}, ${scale})`
  const limit = 10n ** BigInt(Math.min(precision, 37)) - 1n
  const scaled = (text: string) => `(${text})::DECIMAL(38, 0)`
  // Built as text, because a scaled integer has no direct way to a decimal of DuckDB.
  const exact = (sign: string, digits: string) =>
    `(${sign} || left(lpad(${digits}, ${precision}, '0'), ${precision - scale}) || '.' ||
      right(lpad(${digits}, ${precision}, '0'), ${scale}))::${type}`
  return {
    name: `decimal_${precision}_${scale}`,
    storage: precision > 18 ? 'fixed' : 'int',
    sql: {
      few: `(h % 7)::INTEGER::${type}`,
      many: exact(`CASE WHEN h % 2 = 0 THEN '-' ELSE '' END`, `(${scaled('h')} * 31 % ${limit})::VARCHAR`),
      sorted: `(i % 900)::INTEGER::${type}`,
    },
  }
}

function timestampColumn(name: string, type: string): MatrixColumn {
  const make = (micros: string) => `make_timestamp((${micros})::BIGINT)`
  const cast = (sql: string) => (type === 'TIMESTAMPTZ' ? `(${sql} AT TIME ZONE 'UTC')` : `${sql}::${type}`)
  return {
    name,
    storage: 'int',
    sql: {
      few: cast(make('(h % 7)::BIGINT * 86400000000')),
      many: cast(make('(h % 4000000000000000)::BIGINT - 2000000000000000')),
      sorted: cast(make('1700000000000000 + i * 1000')),
    },
  }
}

const textMany = `CASE h % 9 WHEN 0 THEN '' WHEN 1 THEN 'ÄÖ漢字🙂' WHEN 2 THEN repeat('long ', 12) || h::VARCHAR
  WHEN 3 THEN 'twelve bytes' WHEN 4 THEN 'thirteen byte' ELSE h::VARCHAR END`

export const matrixColumns: readonly MatrixColumn[] = [
  { name: 'boolean', storage: 'boolean', sql: { few: 'h % 2 = 0', many: 'h % 3 = 0', sorted: 'i % 200 < 100' } },
  integerColumn('int8', 'TINYINT', -128n, 127n),
  integerColumn('int16', 'SMALLINT', -32_768n, 32_767n),
  integerColumn('int32', 'INTEGER', -(2n ** 31n), 2n ** 31n - 1n),
  integerColumn('int64', 'BIGINT', -(2n ** 63n), 2n ** 63n - 1n),
  integerColumn('uint8', 'UTINYINT', 0n, 255n),
  integerColumn('uint16', 'USMALLINT', 0n, 65_535n),
  integerColumn('uint32', 'UINTEGER', 0n, 2n ** 32n - 1n),
  integerColumn('uint64', 'UBIGINT', 0n, 2n ** 64n - 1n),
  floatColumn('float32', 'FLOAT'),
  floatColumn('float64', 'DOUBLE'),
  {
    name: 'text',
    storage: 'text',
    sql: { few: `'value ' || (h % 7)::VARCHAR`, many: textMany, sorted: `printf('key-%08d-%d', i, i % 3)` },
  },
  {
    name: 'date',
    storage: 'int',
    sql: {
      few: `DATE '2024-02-27' + (h % 5)::INTEGER`,
      many: `DATE '1970-01-01' + ((h % 80000)::INTEGER - 40000)`,
      sorted: `DATE '1999-12-31' + (i % 3000)::INTEGER`,
    },
  },
  timestampColumn('timestamp_ms', 'TIMESTAMP_MS'),
  timestampColumn('timestamp_us', 'TIMESTAMP'),
  timestampColumn('timestamp_ns', 'TIMESTAMP_NS'),
  timestampColumn('timestamp_tz', 'TIMESTAMPTZ'),
  decimalColumn(4, 1),
  decimalColumn(9, 2),
  decimalColumn(18, 4),
  decimalColumn(38, 6),
]

function isNullSql(nulls: NullPattern, column: number): string {
  switch (nulls) {
    case 'none':
      return 'false'
    case 'all':
      return 'true'
    case 'tenth':
      return `hash(i * 64 + ${column}) % 10 = 0`
    case 'alternating':
      return `i % 2 = ${column % 2}`
    case 'runs':
      return `(i // ${97 + column}) % 3 = 0`
  }
}

/** SQL of the table's rows; column `row` counts them, so that a lost or moved row shows. */
export function matrixSql(data: MatrixData, columns: readonly MatrixColumn[] = matrixColumns): string {
  const cells = columns.map(({ name, sql }, index) => {
    const value = `(${sql[data.values]})`
    const cell = data.nulls === 'none' ? value : `CASE WHEN ${isNullSql(data.nulls, index)} THEN NULL ELSE ${value} END`
    return `${cell} AS ${name}`
  })
  const rows = `(SELECT range AS i, hash(range) AS h FROM range(${data.rowCount}))`
  return `SELECT i AS "row", ${cells.join(',\n')} FROM ${rows} ORDER BY i`
}

/** All tables of the matrix. */
export function allMatrixData(): MatrixData[] {
  return matrixRowCounts.flatMap((rowCount) =>
    valuePatterns.flatMap((values) => nullPatterns.map((nulls) => ({ values, nulls, rowCount }))),
  )
}

export const dataName = ({ values, nulls, rowCount }: MatrixData): string =>
  `${values} values, nulls ${nulls}, ${rowCount} rows`
