/** For tests: columns of a file as text, read by the native reader, parquet-wasm and DuckDB. */
import type { ArrowColumn } from '@spillway/columnar'
import type { TestArena } from '@spillway/kernels'
import { canonical, canonicalColumn } from '../testing/canonical-values.ts'
import type { ParquetDecoder } from '../testing/decoder.ts'
import type { ParquetFileMeta } from '../file-meta.ts'
import type { TwinOptions } from './chunk-twin.ts'
import { ChunkTwin } from './chunk-twin.ts'

/** A column as parquet-wasm reads it. */
export function readWithWasm(decoder: ParquetDecoder, meta: ParquetFileMeta, column: string): string[] {
  return meta.rowGroups.flatMap((_, rowGroup) => {
    const decoded = decoder.decode(meta.path, meta, rowGroup, [column], 4096)
    const texts = decoded.batches.flatMap((batch) => canonicalColumn(batch.columns[0] as ArrowColumn))
    decoded.free()
    return texts
  })
}

/** What is used of a DuckDB connection. */
interface Duckdb {
  runAndReadAll(sql: string): Promise<{ getColumns(): readonly (readonly unknown[])[] }>
}

/** Columns as DuckDB reads them. */
export async function readWithDuckdb(
  duckdb: Duckdb,
  meta: ParquetFileMeta,
  names: readonly string[] = meta.schema.fields.map(({ name }) => name),
): Promise<(meta: ParquetFileMeta, column: string) => string[]> {
  if (names.length === 0) return () => []
  const selected = names.map((name) => `"${name}"`).join(', ')
  const columns = (await duckdb.runAndReadAll(`select ${selected} from read_parquet('${meta.path}')`)).getColumns()
  const texts = new Map(names.map((name, index) => [name, (columns[index] ?? []).map(canonical)]))
  return (_, column) => texts.get(column) ?? []
}

/** A column as the native reader reads it. */
export function readNative(
  arena: TestArena,
  meta: ParquetFileMeta,
  column: string,
  options: TwinOptions = {},
): string[] {
  const field = meta.schema.fields.find(({ name }) => name === column)
  if (field === undefined) throw new TypeError(`no column ${column}`)
  const twin = new ChunkTwin(arena, field.type, options)
  try {
    return twin.readColumn(meta, column, options)
  } finally {
    twin.free()
  }
}

/** Columns that come out differently, each with its first difference. */
export function differences(
  arena: TestArena,
  meta: ParquetFileMeta,
  expectedOf: (meta: ParquetFileMeta, column: string) => string[],
  options: TwinOptions = {},
): string[] {
  return meta.schema.fields.flatMap(({ name }) => {
    const expected = expectedOf(meta, name)
    const actual = readNative(arena, meta, name, options)
    const row = expected.findIndex((text, index) => actual[index] !== text && actual[index] !== 'skipped')
    if (row < 0 && actual.length === expected.length) return []
    return [
      `${name} row ${row}: ${actual[row]} instead of ${expected[row]} (${actual.length} of ${expected.length} rows)`,
    ]
  })
}

/** Skips now and then: a few rows, most of a page, whole pages. */
export const skipSome = (left: number): number => [0, 5, 0, 0, 1234, 0, 30_000][left % 7] ?? 0
