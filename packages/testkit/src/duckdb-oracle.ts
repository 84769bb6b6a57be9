/**
 * DuckDB as the oracle: answers the same question in SQL, in the same neutral cells.
 *
 * Floats are read without pushdown into Parquet: DuckDB prunes by statistics that ignore NaN and would lose rows. So
 * Parquet sources are first copied into tables (`tablesFromParquet`), unless the caller scans them itself.
 */
import {
  type DuckDBConnection,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import { makeError, SpillwayError } from '@spillway/stdx'
import {
  bytesCell,
  type Cell,
  decimalCell,
  type Family,
  type ResultTable,
  rowsOfColumns,
  timestampCell,
} from './cells.ts'
import { duckdbLiteral, duckdbTypeName, type GeneratedTable } from './generated-table.ts'

const INTEGER_IDS: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.UHUGEINT,
])

function familyOfId(type: DuckDBType): Family {
  const id = type.typeId
  if (INTEGER_IDS.has(id)) return 'integer'
  switch (id) {
    case DuckDBTypeId.BOOLEAN:
      return 'boolean'
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return 'float'
    case DuckDBTypeId.VARCHAR:
    case DuckDBTypeId.BLOB:
      return 'text'
    case DuckDBTypeId.DATE:
      return 'date'
    case DuckDBTypeId.DECIMAL:
      return 'decimal'
    case DuckDBTypeId.SQLNULL:
      return 'null'
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_S:
    case DuckDBTypeId.TIMESTAMP_MS:
    case DuckDBTypeId.TIMESTAMP_NS:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return 'timestamp'
    default:
      throw makeError('UNSUPPORTED_TYPE', `No cells for the DuckDB type: ${String(type)}`)
  }
}

function cellOf(value: DuckDBValue): Cell {
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || typeof value === 'bigint')
    return value
  if (value instanceof DuckDBDecimalValue) return decimalCell(value.value, value.scale)
  if (value instanceof DuckDBDateValue) return BigInt(value.days)
  if (typeof value === 'object') {
    if ('bytes' in value && value.bytes instanceof Uint8Array) return bytesCell(value.bytes)
    if ('micros' in value && typeof value.micros === 'bigint') return timestampCell(value.micros, 'us')
    if ('nanos' in value && typeof value.nanos === 'bigint') return timestampCell(value.nanos, 'ns')
    if ('millis' in value && typeof value.millis === 'bigint') return timestampCell(value.millis, 'ms')
    if ('milliseconds' in value && typeof value.milliseconds === 'bigint')
      return timestampCell(value.milliseconds, 'ms')
    if ('seconds' in value && typeof value.seconds === 'bigint') return timestampCell(value.seconds, 's')
  }
  if (typeof value === 'number') return value
  throw makeError('UNSUPPORTED_TYPE', `No cell for the DuckDB value: ${String(value)}`)
}

/** SQL text of a string. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** SQL text of a name. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** What DuckDB answered: rows, or that a value did not fit (its counterpart of OVERFLOW and CAST_FAILED). */
export type OracleAnswer =
  | { readonly kind: 'rows'; readonly table: ResultTable }
  | { readonly kind: 'valueError'; readonly message: string }

/** A DuckDB database in memory that lives as long as a test file. Not safe for concurrent use. */
export class Oracle {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance
    this.#connection = connection
  }

  /** Opens a database. Two threads and preserved insertion order, so that slices mean the same as in Spillway. */
  static async open(): Promise<Oracle> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
    const connection = await instance.connect()
    await connection.run("SET preserve_insertion_order = true; SET TimeZone = 'UTC'")
    return new Oracle(instance, connection)
  }

  /** Runs statements without a result. */
  async execute(sql: string): Promise<void> {
    await this.#connection.run(sql)
  }

  /** The answer of one query. Integers come as bigint whatever their width. @throws what DuckDB throws. */
  async query(sql: string): Promise<ResultTable> {
    const reader = await this.#connection.runAndReadAll(sql)
    const families = reader.columnTypes().map(familyOfId)
    const columns = reader
      .getColumns()
      .map((column, index) =>
        column.map((value) =>
          families[index] === 'integer' && value !== null ? BigInt(value as number) : cellOf(value),
        ),
      )
    return {
      names: reader.columnNames(),
      families,
      rows: columns.length === 0 ? [] : rowsOfColumns(columns),
    }
  }

  /** As `query`, but a value out of range becomes an answer instead of an exception. */
  async ask(sql: string): Promise<OracleAnswer> {
    try {
      return { kind: 'rows', table: await this.query(sql) }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (!(error instanceof SpillwayError) && /^(Out of Range|Conversion) Error|Overflow/i.test(message)) {
        return { kind: 'valueError', message }
      }
      throw error
    }
  }

  /** Creates (or replaces) a table of generated rows. */
  async createTable(name: string, table: GeneratedTable): Promise<void> {
    const { fields } = table.schema
    const columns = fields.map((field) => `${quoteName(field.name)} ${duckdbTypeName(field.type)}`).join(', ')
    await this.execute(`CREATE OR REPLACE TABLE ${quoteName(name)} (${columns})`)
    const rowsPerInsert = 500
    for (let start = 0; start < table.rowCount; start += rowsPerInsert) {
      const end = Math.min(table.rowCount, start + rowsPerInsert)
      const tuples: string[] = []
      for (let row = start; row < end; row++) {
        const cells = fields.map((field, index) => duckdbLiteral(table.columns[index]?.[row] ?? null, field.type))
        tuples.push(`(${cells.join(', ')})`)
      }
      await this.execute(`INSERT INTO ${quoteName(name)} VALUES ${tuples.join(', ')}`)
    }
  }

  /** Creates a table from Parquet files, so that queries on it are free of statistics and their NaN trap. */
  async tableFromParquet(name: string, paths: readonly string[]): Promise<void> {
    const list = paths.map(quoteText).join(', ')
    await this.execute(`CREATE OR REPLACE TABLE ${quoteName(name)} AS SELECT * FROM read_parquet([${list}])`)
  }

  /** Writes a table or query to a Parquet file. @param rowGroupRows rows per row group (DuckDB rounds up to 2,048). */
  async writeParquet(
    source: string,
    path: string,
    options: { readonly compression?: 'snappy' | 'zstd' | 'uncompressed'; readonly rowGroupRows?: number } = {},
  ): Promise<void> {
    const { compression = 'snappy', rowGroupRows = 122_880 } = options
    const settings = `FORMAT PARQUET, COMPRESSION ${compression}, ROW_GROUP_SIZE ${rowGroupRows}`
    await this.execute(`COPY (SELECT * FROM ${source}) TO ${quoteText(path)} (${settings})`)
    // Its dictionaries take -0 for 0, so the file may differ from the table: the table then is what the file holds.
    if (/^\w+$/.test(source)) {
      await this.execute(`CREATE OR REPLACE TABLE ${source} AS SELECT * FROM read_parquet(${quoteText(path)})`)
    }
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }
}

/**
 * One question in a database of its own: `tables` become tables, `parquet` files become tables of their keys' names.
 */
export async function oracle(
  sql: string,
  sources: {
    readonly tables?: Readonly<Record<string, GeneratedTable>>
    readonly parquet?: Readonly<Record<string, readonly string[]>>
  } = {},
): Promise<ResultTable> {
  const database = await Oracle.open()
  try {
    for (const [name, table] of Object.entries(sources.tables ?? {})) await database.createTable(name, table)
    for (const [name, paths] of Object.entries(sources.parquet ?? {})) await database.tableFromParquet(name, paths)
    return await database.query(sql)
  } finally {
    database.close()
  }
}

/**
 * SQL that folds a big result into three numbers which agree for equal multisets of rows: for outputs too large to
 * compare in JavaScript. -0 and NaN are brought to one form first; `floatDigits` rounds floats before hashing.
 * @param source a table, or a call like read_parquet('…')
 * @param columns names in order, and which of them are floats
 */
export function hashRowsSql(
  source: string,
  columns: readonly { readonly name: string; readonly float: boolean }[],
  floatDigits: number | undefined = undefined,
): string {
  const cells = columns.map(({ name, float }) => {
    const quoted = quoteName(name)
    if (!float) return quoted
    const rounded = floatDigits === undefined ? quoted : `round(${quoted}, ${floatDigits})`
    const whole = `WHEN ${rounded} = 0 THEN 0.0::DOUBLE ELSE ${rounded}::DOUBLE`
    return `CASE WHEN isnan(${quoted}) THEN 'NaN'::DOUBLE ${whole} END`
  })
  const row = `hash(${cells.join(', ')})`
  return `SELECT count(*) AS rows, bit_xor(${row}) AS mixed, sum(${row}::HUGEINT) AS total FROM ${source}`
}
