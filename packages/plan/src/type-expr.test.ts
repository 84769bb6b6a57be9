/** Typing: the coercion table of the semantics, error texts, nullability. Typed text shows every inserted cast. */
import { type DataType as AnyType, makeSchema, typeName } from '@spillway/columnar'
import { SpillwayError } from '@spillway/stdx'
import { describe, expect, it } from 'vitest'
import { DataType, Decimal, Datetime } from './data-types.ts'
import type { Expr } from './expr.ts'
import { col, lit, when } from './expr-functions.ts'
import { exprText } from './expr-text.ts'
import type { LiteralInput } from './literal-value.ts'
import { findSupertype } from './supertype.ts'
import { typeExpr } from './type-expr.ts'

const types: Record<string, AnyType> = {
  i8: DataType.Int8,
  i16: DataType.Int16,
  i32: DataType.Int32,
  i64: DataType.Int64,
  u8: DataType.UInt8,
  u16: DataType.UInt16,
  u32: DataType.UInt32,
  u64: DataType.UInt64,
  f32: DataType.Float32,
  f64: DataType.Float64,
  d12: Decimal(12, 2),
  d20: Decimal(20, 20),
  s: DataType.Utf8,
  b: DataType.Bool,
  date: DataType.Date,
  ms: Datetime('ms'),
  us: Datetime('us', 'UTC'),
  paris: Datetime('us', 'Europe/Paris'),
  nothing: DataType.Null,
}
const schema = makeSchema([
  ...Object.entries(types).map(([name, type]) => ({ name, type, nullable: true })),
  { name: 'full', type: DataType.Int64, nullable: false },
])

/** `text: type` of the typed expression, or the code and message of the error. */
function typed(expr: Expr): string {
  try {
    const result = typeExpr(expr.node, schema)
    return `${exprText(result)}: ${typeName(result.type)}`
  } catch (error) {
    if (error instanceof SpillwayError) return `${error.code} ${error.message}`
    throw error
  }
}

describe('supertypes', () => {
  const table: [string, string, string][] = [
    ['i8', 'i32', 'int32'],
    ['u8', 'u64', 'uint64'],
    ['i8', 'u8', 'int16'],
    ['i32', 'u8', 'int32'],
    ['i16', 'u16', 'int32'],
    ['i8', 'u32', 'int64'],
    ['i64', 'u64', 'int64'],
    ['i8', 'u64', 'int64'],
    ['i16', 'f32', 'float32'],
    ['u16', 'f32', 'float32'],
    ['i32', 'f32', 'float64'],
    ['i8', 'f64', 'float64'],
    ['f32', 'f64', 'float64'],
    ['d12', 'i8', 'decimal(12,2)'],
    ['d12', 'i64', 'decimal(21,2)'],
    ['d12', 'f32', 'float64'],
    ['d12', 'd20', 'decimal(30,20)'],
    ['date', 'ms', 'timestamp[ms]'],
    ['ms', 'us', 'timestamp[us, UTC]'],
    ['nothing', 's', 'utf8'],
  ]
  it.each(table)('%s with %s is %s, in both orders', (a, b, expected) => {
    const left = types[a] as AnyType
    const right = types[b] as AnyType
    const forward = findSupertype(left, right)
    const backward = findSupertype(right, left)
    expect(forward && typeName(forward)).toBe(expected)
    expect(backward && typeName(backward)).toBe(expected)
  })
  it.each([
    ['b', 'i8'],
    ['s', 'i8'],
    ['s', 'date'],
    ['date', 'i32'],
    ['us', 'paris'],
    ['b', 'f64'],
    ['d12', 'b'],
  ])('%s with %s has none', (a, b) => {
    expect(findSupertype(types[a] as AnyType, types[b] as AnyType)).toBeUndefined()
    expect(findSupertype(types[b] as AnyType, types[a] as AnyType)).toBeUndefined()
  })
})

describe('literals adapt to the other operand', () => {
  const table: [Expr, string][] = [
    [col('i32').lt(5), 'col("i32") < 5: boolean'],
    [col('i32').lt(5.5), 'col("i32").cast(float64) < 5.5: boolean'],
    [col('i64').add(1), 'col("i64") + 1: int64'],
    [lit(1).add(col('i64')), '1 + col("i64"): int64'],
    [col('i8').add(1000), 'col("i8").cast(int32) + 1000: int32'],
    [col('u8').sub(-1), 'col("u8").cast(int32) - -1: int32'],
    [col('u64').gt(5), 'col("u64") > 5: boolean'],
    [col('u64').gt(-5), 'col("u64").cast(decimal(20,0)) > -5: boolean'],
    [col('u64').isIn([-5, 2]), 'col("u64").cast(decimal(20,0)).isIn([-5, 2]): boolean'],
    [col('f32').mul(2), 'col("f32") * 2: float32'],
    [col('f32').mul(0.1), 'col("f32").cast(float64) * 0.1: float64'],
    [col('f32').mul(0.5), 'col("f32") * 0.5: float32'],
    [col('d12').lt(5), 'col("d12") < 5.00: boolean'],
    [col('d12').lt(5.125), 'col("d12").cast(float64) < 5.125: boolean'],
    [col('d12').add(0.1), 'col("d12").cast(decimal(38,2)) + 0.10: decimal(38,2)'],
    [col('i64').eq(2 ** 53), 'col("i64") == 9007199254740992: boolean'],
    [col('i64').eq(2n ** 60n), 'col("i64") == 1152921504606846976: boolean'],
    [lit(1).add(lit(2)), '1 + 2: int32'],
    [lit(1).add(2.5), '1 + 2.5: float64'],
    [lit(1).add(2n), '1 + 2: int64'],
    [lit(1).negate().add(col('i8')), '-1 + col("i8"): int8'],
    [lit(3_000_000_000), '3000000000: int64'],
    [lit(2n ** 63n), '9223372036854775808: uint64'],
    [lit(-0), '-0: float64'],
    [col('i64').fillNull(0), 'col("i64").fillNull(0): int64'],
    [col('i64').fillNull(0.5), 'col("i64").cast(float64).fillNull(0.5): float64'],
    [lit(1).alias('one').add(col('i8')), '1 + col("i8"): int8'],
    [col('i8').add(lit(1, DataType.Int64)), 'col("i8").cast(int64) + 1: int64'],
  ]
  it.each(table)('%s', (expr, expected) => expect(typed(expr)).toBe(expected))
})

describe('operators', () => {
  const table: [Expr, string][] = [
    [col('i32').div(2), 'col("i32").cast(float64) / 2: float64'],
    [col('f32').div(col('f32')), 'col("f32") / col("f32"): float32'],
    [col('d12').div(3), 'col("d12").cast(float64) / 3: float64'],
    [col('d12').mul(col('d12')), 'col("d12") * col("d12"): decimal(38,4)'],
    [col('d12').mul(1.5), 'col("d12") * 1.5: decimal(38,3)'],
    [col('d12').mul(col('i8')), 'col("d12") * col("i8").cast(decimal(3,0)): decimal(38,2)'],
    [lit(1).sub(col('d12')).mul(col('d12')), '(1.00 - col("d12").cast(decimal(38,2))) * col("d12"): decimal(38,4)'],
    [col('d12').add(col('d20')), 'col("d12").cast(decimal(38,20)) + col("d20").cast(decimal(38,20)): decimal(38,20)'],
    [col('i8').add(col('u64')), 'col("i8").cast(int64) + col("u64").cast(int64): int64'],
    [col('date').lt(col('us')), 'col("date").cast(timestamp[us, UTC]) < col("us"): boolean'],
    [col('date').eq(new Date(Date.UTC(2024, 0, 31))), 'col("date") == date("2024-01-31"): boolean'],
    [
      col('date').eq(new Date(Date.UTC(2024, 0, 31, 12))),
      'col("date").cast(timestamp[ms]) == timestamp("2024-01-31 12:00:00"): boolean',
    ],
    [col('us').gt(new Date(1500)), 'col("us") > timestamp("1970-01-01 00:00:01.5"): boolean'],
    [col('date').eq(lit('2024-02-29', DataType.Date)), 'col("date") == date("2024-02-29"): boolean'],
    [col('u8').negate(), '-col("u8").cast(int16): int16'],
    [col('b').and(col('b').not()), 'col("b") & col("b").not(): boolean'],
    [col('b').and(null), 'col("b") & null: boolean'],
    [col('i8').eq(null), 'col("i8") == null: boolean'],
    [col('nothing').eq(null), 'null: boolean'],
    [col('nothing').add(1), 'null + 1: int32'],
    [col('nothing').cast(DataType.Utf8), 'null: utf8'],
    [col('nothing').isIn([]), 'null: boolean'],
    [col('nothing').fillNull(null), 'null: null'],
    [col('i64').isIn([]), 'col("i64").isIn([]): boolean'],
    [when(col('b')).then(null), 'null: null'],
    [col('i64').cast(DataType.Int64), 'col("i64"): int64'],
    [col('i8').isIn([1, 2, 2, null]), 'col("i8").isIn([1, 2]): boolean'],
    [col('i8').isIn([1, 300]), 'col("i8").cast(int32).isIn([1, 300]): boolean'],
    [col('d12').isIn([1.5, 2]), 'col("d12").isIn([1.50, 2.00]): boolean'],
    [col('f64').isIn([0, -0, Number.NaN, Number.NaN]), 'col("f64").isIn([0, NaN]): boolean'],
    [col('s').isIn(['a']), 'col("s").isIn(["a"]): boolean'],
    [col('us').isIn([new Date(0)]), 'col("us").isIn([timestamp("1970-01-01 00:00:00")]): boolean'],
    [col('i64').between(1, 3), 'col("i64") >= 1 & col("i64") <= 3: boolean'],
    [col('i64').between(1, 3, 'left'), 'col("i64") >= 1 & col("i64") < 3: boolean'],
    [col('i64').between(1, 3, 'none'), 'col("i64") > 1 & col("i64") < 3: boolean'],
    [when(col('b')).then(1).otherwise(col('i64')), 'when(col("b")).then(1).otherwise(col("i64")): int64'],
    [
      when(col('b')).then(1).when(false).then(2.5),
      'when(col("b")).then(1).when(false).then(2.5).otherwise(null): float64',
    ],
    [col('s').cast(DataType.Int64, { strict: false }), 'col("s").cast(int64, lenient): int64'],
  ]
  it.each(table)('%s', (expr, expected) => expect(typed(expr)).toBe(expected))
})

describe('errors', () => {
  const table: [string, Expr, string][] = [
    ['unknown', col('i644'), 'COLUMN_NOT_FOUND Column not found: "i644" (did you mean "i64"?)'],
    [
      'mixed',
      col('s').add(1),
      'TYPE_MISMATCH Types do not match in col("s") + 1: utf8 and int32. Cast one side with .cast().',
    ],
    [
      'boolean',
      col('b').eq(1),
      'TYPE_MISMATCH Types do not match in col("b") == 1: boolean and int32. Cast one side with .cast().',
    ],
    [
      'texts',
      col('s').add(col('s')),
      'TYPE_MISMATCH Types do not match in col("s") + col("s"): utf8 and utf8. ' +
        'Arithmetic needs numbers; cast with .cast().',
    ],
    [
      'dates',
      col('date').sub(col('date')),
      'TYPE_MISMATCH Types do not match in col("date") - col("date"): date and date. ' +
        'Arithmetic needs numbers; cast with .cast().',
    ],
    [
      'condition',
      col('i8').and(true),
      'TYPE_MISMATCH Types do not match in col("i8") & true: int8 and boolean. ' +
        'Conditions must be boolean: compare with a value.',
    ],
    [
      'scale',
      col('d20').mul(col('d20')),
      'TYPE_MISMATCH Types do not match in col("d20") * col("d20"): decimal(20,20) and decimal(20,20). ' +
        'The product needs scale 40, at most 38: cast to lower scales.',
    ],
    [
      'cast',
      col('b').cast(DataType.Date),
      'TYPE_MISMATCH Cannot cast boolean to date in col("b").cast(date). There is no such cast.',
    ],
    [
      'aggregate',
      col('i8').sum().add(1),
      'INVALID_PLAN Aggregate in a wrong place: col("i8").sum(). ' +
        'Aggregates belong into agg() or select(), not into each other.',
    ],
    [
      'isIn',
      col('i8').isIn(['a']),
      'TYPE_MISMATCH Types do not match in col("i8").isIn(["a"]): int8 and utf8. Cast one side with .cast().',
    ],
  ]
  it.each(table)('%s', (_name, expr, expected) => expect(typed(expr)).toBe(expected))

  it.each<[LiteralInput, AnyType]>([
    [300, DataType.Int8],
    [1.5, DataType.Int64],
    ['2024-02-30', DataType.Date],
    ['1.505', Decimal(10, 2)],
    ['100000000', Decimal(10, 2)],
    ['a', DataType.Int8],
    [new Date(Number.NaN), Datetime('ms')],
    [new Date(1), Datetime('s')],
  ])('literal %s does not fit', (value, type) => {
    expect(() => lit(value, type)).toThrow('Literal does not fit its type')
  })
  it('typed literals are exact', () => {
    expect(lit('12.5', Decimal(10, 2)).node).toMatchObject({ value: 1250n })
    expect(lit('-1.5e1', Decimal(10, 2)).node).toMatchObject({ value: -1500n })
    expect(lit('2024-01-01T00:00:00.123456Z', Datetime('us')).node).toMatchObject({ value: 1704067200123456n })
    expect(lit('1969-12-31', DataType.Date).node).toMatchObject({ value: -1 })
    expect(lit(5, DataType.Int64).node).toMatchObject({ value: 5n })
    expect(lit(0.1, DataType.Float32).node).toMatchObject({ value: Math.fround(0.1) })
  })
})

describe('nullability', () => {
  const nullable = (expr: Expr): boolean => typeExpr(expr.node, schema).nullable
  it.each<[Expr, boolean]>([
    [col('full').add(1), false],
    [col('full').add(col('i8')), true],
    [col('full').mod(2), false],
    [col('full').mod(0), true],
    [col('full').mod(col('full')), true],
    [col('i64').fillNull(0), false],
    [col('i64').isNull(), false],
    [col('full').cast(DataType.Int8), false],
    [col('full').cast(DataType.Int8, false), true],
    [col('full').cast(DataType.Float64, false), false],
    [when(col('b')).then(1).otherwise(2), false],
    [when(col('b')).then(1), true],
    [col('full').isIn([1]), false],
  ])('%s: %s', (expr, expected) => expect(nullable(expr)).toBe(expected))
})
