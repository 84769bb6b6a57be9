/** Aggregations: direct aggregates, expressions over aggregates, result types, wrong places; and the explain text. */
import { makeSchema, typeName } from '@spillway/columnar'
import { describe, expect, it } from 'vitest'
import { DataType, Decimal } from './data-types.ts'
import type { Expr } from './expr.ts'
import { outputNameOf } from './expr.ts'
import { col, len, lit } from './expr-functions.ts'
import { intRange, repeat } from './generated-columns.ts'
import type { LogicalNode } from './logical-node.ts'
import { makeConcat } from './nodes/concat.ts'
import { makeFilter } from './nodes/filter.ts'
import { makeGenerated } from './nodes/generated.ts'
import { makeInMemory } from './nodes/in-memory.ts'
import { makeProject } from './nodes/project.ts'
import { childrenOf, explainPlan, withChildren } from './nodes/registry.ts'
import { makeScanParquet } from './nodes/scan-parquet.ts'
import { makeSlice } from './nodes/slice.ts'
import { makeAggregation } from './split-aggregates.ts'
import { typeExpr } from './type-expr.ts'

const fileSchema = makeSchema([
  { name: 'k', type: DataType.Utf8, nullable: true },
  { name: 'v', type: DataType.Int32, nullable: true },
  { name: 'f', type: DataType.Float32, nullable: false },
  { name: 'd', type: Decimal(12, 2), nullable: true },
  { name: 'u', type: DataType.UInt8, nullable: true },
  { name: 'b', type: DataType.Bool, nullable: true },
])
const scan = makeScanParquet({
  files: ['/data/a.parquet', '/data/b.parquet', '/data/c.parquet'],
  fileSchema,
  columns: undefined,
  predicate: undefined,
  slice: undefined,
})
const named = (input: LogicalNode, ...exprs: Expr[]) =>
  exprs.map(({ node }) => ({ name: outputNameOf(node), expr: typeExpr(node, input.schema) }))
const aggregate = (keys: Expr[], ...outputs: Expr[]) =>
  makeAggregation(
    scan,
    named(scan, ...keys),
    outputs.map((output) => output.node),
  )
const schemaText = ({ schema }: LogicalNode) =>
  schema.fields.map(({ name, type, nullable }) => `${name} ${typeName(type)}${nullable ? '?' : ''}`).join(', ')

describe('aggregations', () => {
  it('direct aggregates need no projection', () => {
    expect(explainPlan(aggregate([col('k')], col('v').sum().alias('total'), len(), col('f').max()))).toBe(
      [
        'GROUP BY [col("k")] [col("v").sum().alias("total"), len(), col("f").max()]',
        '  PARQUET SCAN [/data/a.parquet, +2 more] columns 6/6',
      ].join('\n'),
    )
  })
  it('expressions over aggregates become a projection; equal aggregates are computed once', () => {
    const plan = aggregate(
      [col('k')],
      col('v').sum().add(1).alias('x'),
      col('v').sum().div(len()).alias('y'),
      lit(7).alias('seven'),
    )
    expect(explainPlan(plan)).toBe(
      [
        'PROJECT [col("k"), (col("__aggregate_0") + 1).alias("x"), ' +
          '(col("__aggregate_0").cast(float64) / col("__aggregate_1").cast(float64)).alias("y"), ' +
          'lit(7).alias("seven")]',
        '  GROUP BY [col("k")] [col("v").sum().alias("__aggregate_0"), len().alias("__aggregate_1")]',
        '    PARQUET SCAN [/data/a.parquet, +2 more] columns 6/6',
      ].join('\n'),
    )
    expect(schemaText(plan)).toBe('k utf8?, x int64, y float64, seven int32')
  })
  it('keys may be used beside aggregates', () => {
    const plan = aggregate([col('u')], col('u').add(col('v').max()).alias('m'))
    expect(schemaText(plan)).toBe('u uint8?, m int32?')
  })
  it('result types and nullability', () => {
    const all = (name: string) => [
      col(name).sum().alias('sum'),
      col(name).mean().alias('mean'),
      col(name).min().alias('min'),
      col(name).last().alias('last'),
      col(name).count().alias('count'),
      col(name).nUnique().alias('n'),
    ]
    expect(schemaText(aggregate([], ...all('v')))).toBe(
      'sum int64, mean float64?, min int32?, last int32?, count int64, n int64',
    )
    expect(schemaText(aggregate([col('k')], ...all('f')))).toBe(
      'k utf8?, sum float64, mean float64, min float32, last float32, count int64, n int64',
    )
    expect(schemaText(aggregate([], ...all('d')))).toContain('sum decimal(38,2), mean float64?, min decimal(12,2)?')
    expect(schemaText(aggregate([], ...all('u')))).toContain('sum uint64')
    expect(schemaText(aggregate([], ...all('b')))).toContain('sum int64, mean float64?, min boolean?')
  })
  it('refuses what has no meaning', () => {
    expect(() => aggregate([col('k')], col('v'))).toThrow('Column outside an aggregate: col("v")')
    expect(() => aggregate([col('k')], col('v').sum().add(col('f')))).toThrow('Column outside an aggregate: col("f")')
    expect(() => aggregate([col('k')], col('v').sum().max())).toThrow('Aggregate in a wrong place: col("v").sum()')
    expect(() => aggregate([col('k')], col('k').sum())).toThrow('Duplicate column name: "k"')
    expect(() => aggregate([], col('k').sum())).toThrow('Cannot add up utf8 in col("k").sum()')
    expect(() => aggregate([col('k')], len(), len())).toThrow('Duplicate column name: "len"')
    expect(() => aggregate([col('k')], col('x').sum())).toThrow('Column not found: "x"')
  })
})

describe('nodes', () => {
  const filtered = makeFilter(scan, typeExpr(col('v').lt(5).node, fileSchema))

  it('explain each kind', () => {
    const generated = makeGenerated({
      rowCount: 10,
      columns: [intRange(0, 10).named('i'), repeat('x', 10).named('r')],
      slice: { offset: 2, length: 3 },
    })
    expect(explainPlan(generated)).toBe('GENERATED 10 rows ["i": intRange(0), "r": repeat("x")] slice 3 rows from 2')
    const memory = makeInMemory({ schema: fileSchema, rowCount: 4, table: {}, columns: ['v', 'k'], slice: undefined })
    expect(explainPlan(makeSlice(memory, 1, Number.POSITIVE_INFINITY))).toBe(
      'SLICE all rows from 1\n  IN-MEMORY 4 rows ["v", "k"]',
    )
    const pushed = makeScanParquet({ ...scan, columns: ['k'], predicate: filtered.predicate, slice: undefined })
    expect(explainPlan(makeConcat([pushed, pushed]))).toBe(
      [
        'CONCAT 2 inputs',
        '  PARQUET SCAN [/data/a.parquet, +2 more] columns 1/6 predicate col("v") < 5',
        '  PARQUET SCAN [/data/a.parquet, +2 more] columns 1/6 predicate col("v") < 5',
      ].join('\n'),
    )
    expect(explainPlan(filtered).split('\n')[0]).toBe('FILTER col("v") < 5')
  })
  it('children can be replaced; unchanged children keep the node', () => {
    const plans = [filtered, makeSlice(scan, 0, 1), makeConcat([scan, scan]), aggregate([col('k')], len())]
    plans.push(makeProject(scan, named(scan, col('v'))))
    for (const plan of plans) {
      expect(withChildren(plan, childrenOf(plan))).toBe(plan)
      const replaced = withChildren(
        plan,
        childrenOf(plan).map(() => filtered),
      )
      expect(childrenOf(replaced).every((child) => child === filtered)).toBe(true)
      expect(replaced.kind).toBe(plan.kind)
      expect(schemaText(replaced)).toBe(schemaText(plan))
      expect(Object.isFrozen(replaced)).toBe(true)
    }
    expect(withChildren(scan, [])).toBe(scan)
  })
  it('check what they are given', () => {
    expect(() => makeFilter(scan, typeExpr(col('v').node, fileSchema))).toThrow(
      'Filter needs a boolean: col("v") is int32',
    )
    expect(() => makeProject(scan, named(scan, col('v'), col('f').alias('v')))).toThrow('Duplicate column name: "v"')
    const renamed = makeProject(scan, named(scan, col('v').alias('w')))
    const wide = makeProject(scan, named(scan, col('v').cast(DataType.Int64)))
    const one = makeProject(scan, named(scan, col('v')))
    expect(() => makeConcat([one, renamed])).toThrow('column 0 of frame 1 is "w", frame 0 has "v"')
    expect(() => makeConcat([one, scan])).toThrow('column 0 of frame 1 is "k", frame 0 has "v"')
    expect(() => makeConcat([one, wide])).toThrow('column "v" is int64 in frame 1, int32 in frame 0')
    expect(() => makeConcat([])).toThrow('Concat needs at least one frame')
    expect(() => makeSlice(scan, -1, 5)).toThrow('Slice needs whole numbers')
    expect(() => makeScanParquet({ ...scan, columns: ['z'] })).toThrow('Column not found: "z"')
  })
  it('concat is nullable where any input is', () => {
    const left = makeGenerated({ rowCount: 1, columns: [intRange(0, 1).named('i')], slice: undefined })
    const right = makeGenerated({
      rowCount: 1,
      columns: [repeat(null, 1, DataType.Int64).named('i')],
      slice: undefined,
    })
    expect(schemaText(makeConcat([left, left]))).toBe('i int64')
    expect(schemaText(makeConcat([left, right]))).toBe('i int64?')
  })
})

describe('described columns', () => {
  it('count their rows', () => {
    expect(intRange(0, 10).rowCount).toBe(10)
    expect(intRange(0, 10, 3).rowCount).toBe(4)
    expect(intRange(10, 0, -3).rowCount).toBe(4)
    expect(intRange(5, 5).rowCount).toBe(0)
    expect(intRange(5, 0).rowCount).toBe(0)
    expect(intRange(0n, 10n ** 10n).rowCount).toBe(10 ** 10)
  })
  it('refuse what does not fit', () => {
    expect(() => intRange(0, 10, 0)).toThrow('step other than 0')
    expect(() => intRange(0, 300, 1, DataType.UInt8)).toThrow('intRange does not fit uint8: 299')
    expect(() => intRange(0, 1.5)).toThrow('whole numbers')
    expect(() => repeat(1, -1)).toThrow('whole number of rows')
    expect(() => repeat(300, 1, DataType.Int8)).toThrow('Literal does not fit')
  })
  it('repeat takes the type of its value', () => {
    expect(repeat('x', 2).type.kind).toBe('utf8')
    expect(repeat(1, 2).type.kind).toBe('int32')
    expect(repeat('1.5', 2, Decimal(10, 2)).named('d')).toMatchObject({ value: 150n })
  })
})
