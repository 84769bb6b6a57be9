/** How a column's values get from a batch into pages: by its type, fixed before any row is seen. */
import { type Field, widthOf } from '@spillway/columnar'
import { boundKind, plainForm } from '@spillway/kernels'
import { unreachable } from '@spillway/stdx'

export interface ColumnForm {
  readonly field: Field
  /** The field may be null, so pages have definition levels. */
  readonly isOptional: boolean
  /** Bytes of a value in a batch. */
  readonly sourceBytes: number
  /** Bytes of a value in a page; 0 for strings, 1 for booleans, whose bits are packed when the page ends. */
  readonly plainBytes: number
  /** See `plainForm`; not used for strings. */
  readonly form: number
  /** See `boundKind`; strings have bounds of their own, and a column of type null has none. */
  readonly bound: number | undefined
  /** Type code of the format. */
  readonly physicalCode: number
  readonly hasDictionary: boolean
}

/** Type codes of the format, see `physicalTypes`. */
const BOOLEAN = 0
const INT32 = 1
const INT64 = 2
const FLOAT = 4
const DOUBLE = 5
const BYTE_ARRAY = 6
const FIXED = 7

/** Bytes of a decimal of more than 18 digits. */
export function wideDecimalBytes(precision: number): number {
  return Math.ceil((Math.log2(10) * precision + 1) / 8)
}

/** Timestamps in seconds have no form: cast to `parquetStorageType(type)` before. */
export function columnForm(field: Field): ColumnForm {
  let form = forms.get(field)
  if (form === undefined) forms.set(field, (form = makeForm(field)))
  return form
}

/** Sizing asks again and again, for thousands of columns. */
const forms = new WeakMap<Field, ColumnForm>()

function makeForm(field: Field): ColumnForm {
  const { type, nullable } = field
  const base = { field, isOptional: nullable || type.kind === 'null', sourceBytes: widthOf(type) }
  const int32 = (form: number, bound: number): ColumnForm => ({
    ...base,
    plainBytes: 4,
    form,
    bound,
    physicalCode: INT32,
    hasDictionary: true,
  })
  const int64 = (form: number, bound: number): ColumnForm => ({
    ...int32(form, bound),
    plainBytes: 8,
    physicalCode: INT64,
  })
  switch (type.kind) {
    case 'null':
      return { ...int32(plainForm.i8, boundKind.int32), bound: undefined, hasDictionary: false }
    case 'boolean':
      return { ...int32(plainForm.byte, boundKind.byte), plainBytes: 1, physicalCode: BOOLEAN, hasDictionary: false }
    case 'int8':
      return int32(plainForm.i8, boundKind.int32)
    case 'uint8':
      return int32(plainForm.u8, boundKind.uint32)
    case 'int16':
      return int32(plainForm.i16, boundKind.int32)
    case 'uint16':
      return int32(plainForm.u16, boundKind.uint32)
    case 'int32':
    case 'date':
      return int32(plainForm.four, boundKind.int32)
    case 'uint32':
      return int32(plainForm.four, boundKind.uint32)
    case 'int64':
    case 'timestamp':
      return int64(plainForm.eight, boundKind.int64)
    case 'uint64':
      return int64(plainForm.eight, boundKind.uint64)
    case 'float32':
      return { ...int32(plainForm.four, boundKind.float32), physicalCode: FLOAT }
    case 'float64':
      return { ...int64(plainForm.eight, boundKind.float64), physicalCode: DOUBLE }
    case 'utf8':
    case 'binary':
      return { ...base, plainBytes: 0, form: 0, bound: undefined, physicalCode: BYTE_ARRAY, hasDictionary: true }
    case 'decimal': {
      if (type.precision <= 9) return int32(plainForm.i128AsInt32, boundKind.int32)
      if (type.precision <= 18) return int64(plainForm.i128AsInt64, boundKind.int64)
      const plainBytes = wideDecimalBytes(type.precision)
      return { ...int32(plainForm.i128AsBytes, boundKind.wide), plainBytes, physicalCode: FIXED }
    }
    default:
      return unreachable(type)
  }
}
