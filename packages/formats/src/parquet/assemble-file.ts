/**
 * Assembles one Parquet file from row groups that workers encode independently.
 *
 *   PAR1 | body of row group b | body of row group a | ... | page indexes | footer | length | PAR1
 *
 * Workers append bodies wherever a shared counter tells them to, so bodies lie in any order; the footer lists the row
 * groups in the order of the result.
 */
import type { Schema } from '@spillway/columnar'
import { endOfBodies, type FileTail, requireAllRows } from '../output/output-file.ts'
import { footerPieces } from './footer.ts'
import { pageIndexes, type RowGroupFooter, rowGroupStructs } from './row-group-footer.ts'
import { schemaElementsOf } from './schema-elements.ts'

export interface PlacedRowGroup {
  /** Where the body begins in the file. */
  readonly offset: number
  readonly footer: RowGroupFooter
}

/** The magic bytes. */
export const PARQUET_HEADER: Uint8Array = new TextEncoder().encode('PAR1')

export interface ParquetFileParts {
  /** In the order of the result. May be empty: the file then has the schema and no rows. */
  readonly rowGroups: readonly PlacedRowGroup[]
  readonly schema: Schema
  /** Rows that the query produced; the row groups must hold as many. */
  readonly rowCount: number
  readonly keyValue: Readonly<Record<string, string>>
}

/** Page indexes and footer, for behind the last body. @throws OUTPUT_FAILED when rows are missing */
export function parquetTail({ rowGroups, schema, rowCount, keyValue }: ParquetFileParts): FileTail {
  requireAllRows(
    'Parquet',
    rowGroups.reduce((sum, { footer }) => sum + footer.rowCount, 0),
    rowCount,
  )
  const bodies = rowGroups.map(({ offset, footer }) => ({ offset, bytes: footer.bodyBytes }))
  const start = endOfBodies(bodies, PARQUET_HEADER.length)
  const footers = rowGroups.map(({ footer }) => footer)
  const parts = {
    ...{ schemaElements: schemaElementsOf(schema), rowCount, keyValue },
    ...{ rowGroupCount: rowGroups.length, rowGroups: rowGroupStructs(footers, start) },
  }
  return { start, pieces: joined(pageIndexes(footers), footerPieces(parts)) }
}

/** Bytes that are written with one call, about. */
const PIECE_BYTES = 1 << 16

/** The bytes of all pieces, in pieces of a size that is worth a call. */
function* joined(...sources: Iterable<Uint8Array>[]): Generator<Uint8Array, void> {
  let gathered: Uint8Array[] = []
  let bytes = 0
  for (const source of sources) {
    for (const piece of source) {
      gathered.push(piece)
      bytes += piece.length
      if (bytes < PIECE_BYTES) continue
      yield Buffer.concat(gathered, bytes)
      gathered = []
      bytes = 0
    }
  }
  if (bytes > 0) yield Buffer.concat(gathered, bytes)
}
