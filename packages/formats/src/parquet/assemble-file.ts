/**
 * Assembles one Parquet file from row groups that workers encode independently.
 *
 *   PAR1 | body of row group b | body of row group a | ... | page indexes | footer | length | PAR1
 *
 * Workers append bodies wherever a shared counter tells them to, so bodies lie in any order; the footer lists the row
 * groups in the order of the result.
 */
import type { Schema } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { endOfBodies, type FileTail, requireAllRows } from '../output/output-file.ts'
import { encodeFooter } from './footer.ts'
import { schemaElementsOf } from './schema-elements.ts'
import { i32Field, i64Field, listField, structsOf, ThriftType } from './thrift.ts'
import type { ThriftStruct } from './thrift.ts'

/** The page indexes of a column chunk, as bytes of the format. */
export interface ChunkPageIndexes {
  /** Undefined when a page has no bounds. */
  readonly column: Uint8Array | undefined
  readonly offset: Uint8Array
}

/** The footer's part for one row group; offsets are places in the file. Plain data: it crosses threads. */
export interface RowGroupFooter {
  readonly rowCount: number
  readonly bodyBytes: number
  readonly rowGroup: ThriftStruct
  /** By column. */
  readonly pageIndexes: readonly ChunkPageIndexes[]
}

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
  const indexes = new IndexArea(start)
  const footer = encodeFooter({
    schemaElements: schemaElementsOf(schema),
    rowCount,
    rowGroups: rowGroups.map(({ footer: { rowGroup, pageIndexes } }) => indexes.add(rowGroup, pageIndexes)),
    keyValue,
  })
  return { start, pieces: [...indexes.pieces, footer] }
}

/** The page indexes, one behind the other after the last body. */
class IndexArea {
  readonly pieces: Uint8Array[] = []
  end: number

  constructor(start: number) {
    this.end = start
  }

  /** Places the indexes of a row group; returns it with their places. */
  add(rowGroup: ThriftStruct, pageIndexes: readonly ChunkPageIndexes[]): ThriftStruct {
    const columns = structsOf(rowGroup, 1).map((column, index) => {
      const own = pageIndexes[index]
      assert(own !== undefined, 'a row group has page indexes for all of its columns')
      const fields = [...column, ...this.#place(4, 5, own.offset)]
      return own.column === undefined ? fields : [...fields, ...this.#place(6, 7, own.column)]
    })
    return [listField(1, ThriftType.STRUCT, columns), ...rowGroup.filter(({ id }) => id !== 1)]
  }

  #place(offsetId: number, lengthId: number, bytes: Uint8Array): ThriftStruct {
    const fields = [i64Field(offsetId, this.end), i32Field(lengthId, bytes.length)]
    this.pieces.push(bytes)
    this.end += bytes.length
    return fields
  }
}
