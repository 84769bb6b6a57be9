/** The builder: names of outputs, printed text, immutability, which expressions may raise, equality. */
import { makeSchema } from '@spillway/columnar'
import { describe, expect, it } from 'vitest'
import { DataType, Decimal } from './data-types.ts'
import { type Expr, outputNameOf } from './expr.ts'
import { col, count, len, lit, sum, when } from './expr-functions.ts'
import { columnsUsed, exprEquals, mapColumns } from './expr-walk.ts'
import { mayRaise } from './may-raise.ts'
import { editDistance, findNearestName } from './nearest-name.ts'
import { typeExpr } from './type-expr.ts'

const schema = makeSchema([
  { name: 'a', type: DataType.Int32, nullable: true },
  { name: 'b', type: DataType.Float64, nullable: true },
  { name: 'd', type: Decimal(12, 2), nullable: true },
  { name: 's', type: DataType.Utf8, nullable: true },
  { name: 'u', type: DataType.UInt64, nullable: true },
])
const typed = (expr: Expr) => typeExpr(expr.node, schema)

describe('output names', () => {
  it.each<[Expr, string]>([
    [col('a').add(col('b')), 'a'],
    [lit(1).add(col('b')), 'literal'],
    [col('a').sum().add(col('b').sum()), 'a'],
    [col('a').alias('x').add(1), 'x'],
    [col('a').add(1).as('y'), 'y'],
    [col('a').cast(DataType.Utf8).isIn(['1']), 'a'],
    [when(col('a').gt(1)).then(col('b')).otherwise(0), 'b'],
    [len(), 'len'],
    [count(), 'count'],
    [count('a'), 'a'],
    [col('a').len(), 'a'],
    [sum('b'), 'b'],
  ])('%s', (expr, name) => expect(outputNameOf(expr.node)).toBe(name))
})

describe('text', () => {
  it.each<[Expr, string]>([
    [col('a').add(1), 'col("a") + 1'],
    [col('a').add(1).mul(2), '(col("a") + 1) * 2'],
    [col('a').mul(2).add(1), 'col("a") * 2 + 1'],
    [col('a').sub(col('b').sub(1)), 'col("a") - (col("b") - 1)'],
    [col('a').sub(col('b')).sub(1), 'col("a") - col("b") - 1'],
    [col('a').lt(1).eq(true), '(col("a") < 1) == true'],
    [col('a').gt(1).and(col('b').lt(2)).or(col('s').eq('x')), 'col("a") > 1 & col("b") < 2 | col("s") == "x"'],
    [col('a').gt(1).or(col('b').lt(2)).and(true), '(col("a") > 1 | col("b") < 2) & true'],
    [col('a').add(1).negate(), '-(col("a") + 1)'],
    [col('a').add(1).isNull().not(), '(col("a") + 1).isNull().not()'],
    [col('a').sum().alias('t'), 'col("a").sum().alias("t")'],
    [lit(1).alias('one'), 'lit(1).alias("one")'],
    [col('s').eq('x'.repeat(100)), `col("s") == "${'x'.repeat(60)}…"`],
    [col('a').isIn([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), 'col("a").isIn([1, 2, 3, 4, 5, 6, 7, 8, +2 more])'],
    [len(), 'len()'],
  ])('%s', (expr, text) => expect(String(expr)).toBe(text))
})

describe('synonyms build the same node', () => {
  const a = col('a')
  it.each<[string, Expr, Expr]>([
    ['plus', a.plus(1), a.add(1)],
    ['minus', a.minus(1), a.sub(1)],
    ['multiplyBy', a.multiplyBy(1), a.mul(1)],
    ['divideBy', a.divideBy(1), a.div(1)],
    ['modulo', a.modulo(1), a.mod(1)],
    ['rem', a.rem(1), a.mod(1)],
    ['equals', a.equals(1), a.eq(1)],
    ['notEquals', a.notEquals(1), a.neq(1)],
    ['lessThan', a.lessThan(1), a.lt(1)],
    ['lessThanEquals', a.lessThanEquals(1), a.ltEq(1)],
    ['ltEquals', a.ltEquals(1), a.ltEq(1)],
    ['greaterThan', a.greaterThan(1), a.gt(1)],
    ['greaterThanEquals', a.greaterThanEquals(1), a.gtEq(1)],
    ['gtEquals', a.gtEquals(1), a.gtEq(1)],
    ['as', a.as('x'), a.alias('x')],
  ])('%s', (_name, left, right) => expect(left.node).toEqual(right.node))
})

describe('walking', () => {
  it('finds the columns and replaces them', () => {
    const expr = typed(when(col('a').gt(1)).then(col('b')).otherwise(col('d').cast(DataType.Float64)))
    expect([...columnsUsed(expr)].sort()).toEqual(['a', 'b', 'd'])
    const renamed = mapColumns(expr, (column) => ({ ...column, name: `${column.name}2` }))
    expect([...columnsUsed(renamed)].sort()).toEqual(['a2', 'b2', 'd2'])
    expect([...columnsUsed(expr)].sort()).toEqual(['a', 'b', 'd'])
  })
  it('compares structure, values and types', () => {
    const same: [Expr, Expr][] = [
      [col('a').add(1), col('a').add(1)],
      [col('b').eq(Number.NaN), col('b').eq(Number.NaN)],
      [col('a').isIn([1, 2]), col('a').isIn([1, 2])],
    ]
    for (const [left, right] of same) expect(exprEquals(typed(left), typed(right))).toBe(true)
    const different: [Expr, Expr][] = [
      [col('a').add(1), col('a').add(2)],
      [col('a').add(1), col('a').sub(1)],
      [col('a').eq(1), col('b').eq(1)],
      [col('b').eq(0), col('b').eq(-0)],
      [col('a').isIn([1, 2]), col('a').isIn([1])],
      [col('s').cast(DataType.Int8), col('s').cast(DataType.Int8, false)],
      [col('s').cast(DataType.Int8), col('s').cast(DataType.Int16)],
      [when(true).then(col('a')), when(true).then(col('a')).when(false).then(1)],
    ]
    for (const [left, right] of different) expect(exprEquals(typed(left), typed(right))).toBe(false)
  })
  it('nodes are frozen', () => {
    const { node } = col('a').add(1)
    expect(Object.isFrozen(node)).toBe(true)
    expect(Object.isFrozen(typeExpr(node, schema))).toBe(true)
  })
})

describe('mayRaise', () => {
  it.each<[Expr, boolean]>([
    [col('a').add(1), true],
    [col('b').add(1), false],
    [col('d').mul(2), true],
    [col('a').mod(2), false],
    [col('a').div(0), false],
    [col('a').lt(5.5), false],
    [col('a').negate(), true],
    [col('b').negate(), false],
    [col('s').cast(DataType.Int8), true],
    [col('s').cast(DataType.Int8, false), false],
    [col('a').cast(DataType.Int64), false],
    [col('a').cast(DataType.Int16), true],
    [col('a').cast(DataType.UInt64), true],
    [col('a').cast(DataType.Utf8), false],
    [col('b').cast(DataType.Int64), true],
    [col('d').cast(Decimal(14, 2)), false],
    [col('d').cast(Decimal(12, 1)), false],
    [col('d').cast(Decimal(11, 1)), true],
    [col('d').cast(Decimal(12, 4)), true],
    [col('a').cast(Decimal(10, 0)), false],
    [col('a').cast(Decimal(10, 1)), true],
    [col('u').eq(col('a')), false],
    [when(col('s').cast(DataType.Int8).gt(1)).then(1), true],
    [col('a').isIn([1]), false],
  ])('%s: %s', (expr, expected) => expect(mayRaise(typed(expr))).toBe(expected))
})

describe('nearest names', () => {
  it('counts edits, swapped neighbours as one', () => {
    expect(editDistance('price', 'prcie')).toBe(1)
    expect(editDistance('', 'abc')).toBe(3)
    expect(editDistance('kitten', 'sitting')).toBe(3)
  })
  it('suggests only what is near', () => {
    expect(findNearestName('prcie', ['amount', 'price'])).toBe('price')
    expect(findNearestName('PRICE', ['prices', 'price'])).toBe('price')
    expect(findNearestName('zebra', ['amount', 'price'])).toBeUndefined()
  })
})
