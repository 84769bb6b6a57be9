/** One column of a DataFrame, across its chunks, for reading by people and tests. */
import {
  type ArrowColumn,
  type DataType,
  type ExactValue,
  makeExactReader,
  makeValueReader,
  type PlainValue,
  type Reader,
} from '@spillway/columnar'
import { makeError } from '@spillway/stdx'
import type { ColumnValue } from './record-types.ts'

export class FrameColumn<D extends DataType = DataType> {
  readonly name: string
  readonly type: D
  /** Rows. */
  readonly length: number
  /** The Arrow columns behind it, in row order. */
  readonly chunks: readonly ArrowColumn[]

  constructor(name: string, type: D, chunks: readonly ArrowColumn[]) {
    this.name = name
    this.type = type
    this.chunks = chunks
    this.length = chunks.reduce((rows, chunk) => rows + chunk.length, 0)
  }

  /**
   * All values, exactly: int64 and uint64 as bigint, timestamps as bigint in their unit since 1970 UTC, decimals as
   * text with all digits of the scale, dates as Date at midnight UTC, null as null.
   */
  toArray(): (ColumnValue<D> | null)[] {
    const values: unknown[] = new Array(this.length)
    let row = 0
    for (const chunk of this.chunks) {
      const read = makeColumnReader(chunk)
      for (let index = 0; index < chunk.length; index++) values[row++] = read(index)
    }
    return values as (ColumnValue<D> | null)[]
  }

  /** The value of one row, as in `toArray`. @throws PlanError INVALID_OPTION when there is no such row. */
  get(rowIndex: number): ColumnValue<D> | null {
    let first = 0
    for (const chunk of this.chunks) {
      if (rowIndex >= first && rowIndex < first + chunk.length) {
        return makeColumnReader(chunk)(rowIndex - first) as ColumnValue<D> | null
      }
      first += chunk.length
    }
    throw makeError('INVALID_OPTION', `Row not found: ${rowIndex} in a column of ${this.length} rows. Count from 0.`, {
      column: this.name,
    })
  }

  [Symbol.iterator](): IterableIterator<ColumnValue<D> | null> {
    return this.toArray()[Symbol.iterator]()
  }
}

/** Timestamps stay bigint, so that no digit is lost; other types read as in records. */
function makeColumnReader(column: ArrowColumn): Reader<ExactValue | PlainValue> {
  return column.type.kind === 'timestamp' ? makeExactReader(column) : makeValueReader(column)
}
