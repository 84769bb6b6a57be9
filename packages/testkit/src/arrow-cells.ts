/**
 * Reads an Apache Arrow table into cells, exactly: timestamps and decimals from their buffers, because apache-arrow's
 * own accessors round them to numbers.
 */
import { makeError, unreachable } from '@spillway/stdx'
import { type Data, DataType, DateUnit, type Table, TimeUnit, type Vector } from 'apache-arrow'
import {
  bytesCell,
  type Cell,
  decimalCell,
  type Family,
  type ResultTable,
  rowsOfColumns,
  timestampCell,
} from './cells.ts'

/** The family of an Arrow type. @throws DataError UNSUPPORTED_TYPE for nested and other types. */
export function arrowFamily(type: DataType): Family {
  if (DataType.isDictionary(type)) return arrowFamily(type.dictionary)
  if (DataType.isNull(type)) return 'null'
  if (DataType.isBool(type)) return 'boolean'
  if (DataType.isInt(type)) return 'integer'
  if (DataType.isFloat(type)) return 'float'
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return 'text'
  if (DataType.isBinary(type) || DataType.isLargeBinary(type)) return 'text'
  if (DataType.isDate(type)) return 'date'
  if (DataType.isTimestamp(type)) return 'timestamp'
  if (DataType.isDecimal(type)) return 'decimal'
  throw makeError('UNSUPPORTED_TYPE', `No cells for the Arrow type: ${String(type)}`)
}

/** 128-bit two's complement from four 32-bit words, low first. */
function wideInteger(words: Uint32Array, index: number): bigint {
  let value = 0n
  for (let word = 3; word >= 0; word--) value = (value << 32n) | BigInt(words[index * 4 + word] ?? 0)
  return BigInt.asIntN(128, value)
}

const UNITS = {
  [TimeUnit.SECOND]: 's',
  [TimeUnit.MILLISECOND]: 'ms',
  [TimeUnit.MICROSECOND]: 'us',
  [TimeUnit.NANOSECOND]: 'ns',
} as const

/** Reader of single cells of one chunk; `index` counts from the chunk's first row. */
function cellReader(data: Data, family: Family): (index: number) => Cell {
  const type: DataType = data.type
  const values = data.values
  switch (family) {
    case 'null':
      return () => null
    case 'date': {
      const { unit } = type as unknown as { unit: DateUnit }
      if (unit === DateUnit.DAY) return (index) => BigInt(values[index])
      return (index) => BigInt(values[index]) / 86_400_000n
    }
    case 'timestamp': {
      const unit = UNITS[(type as unknown as { unit: TimeUnit }).unit]
      return (index) => timestampCell(BigInt(values[index]), unit)
    }
    case 'decimal': {
      const { scale } = type as unknown as { scale: number }
      return (index) => decimalCell(wideInteger(values as Uint32Array, index), scale)
    }
    case 'integer':
      return (index) => BigInt(values[index])
    case 'float':
      return (index) => values[index] as number
    case 'boolean': {
      const bits = values as Uint8Array
      return (index) => {
        const bit = data.offset + index
        return ((bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
      }
    }
    case 'text':
      return () => null
    default:
      return unreachable(family)
  }
}

/** All cells of one column. Text and dictionaries go through apache-arrow's accessor, which is exact for them. */
export function cellsOfVector(vector: Vector): Cell[] {
  const family = arrowFamily(vector.type as DataType)
  const cells: Cell[] = []
  if (family === 'text' || DataType.isDictionary(vector.type)) {
    for (let row = 0; row < vector.length; row++) {
      const value: unknown = vector.get(row)
      if (value === null || value === undefined) cells.push(null)
      else if (value instanceof Uint8Array) cells.push(bytesCell(value))
      else cells.push(family === 'integer' ? BigInt(value as number) : (value as Cell))
    }
    return cells
  }
  for (const data of vector.data) {
    const read = cellReader(data, family)
    for (let index = 0; index < data.length; index++) {
      cells.push(family === 'null' || !data.getValid(index) ? null : read(index))
    }
  }
  return cells
}

/** A whole Arrow table as cells. */
export function tableOfArrow(table: Table): ResultTable {
  const columns = table.schema.fields.map((_, index) => {
    const vector = table.getChildAt(index)
    if (vector === null) throw makeError('INVARIANT', 'An Arrow table has one child per field')
    return cellsOfVector(vector)
  })
  return {
    names: table.schema.fields.map((field) => field.name),
    families: table.schema.fields.map((field) => arrowFamily(field.type as DataType)),
    rows: columns.length === 0 ? [] : rowsOfColumns(columns),
  }
}
