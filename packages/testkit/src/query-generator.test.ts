// Generated queries are well formed: the SQL twin runs, its column families are the declared ones, and Spillway's own
// typing of every expression gives the declared type.
import { type Schema, typeEquals, typeName } from '@spillway/columnar'
import { type Expr, typeExpr } from '@spillway/plan'
import fc from 'fast-check'
import { DataFrame, LazyFrame } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schemas, tables } from './arbitraries.ts'
import { familyOf } from './cells.ts'
import { Choices, tapes } from './choices.ts'
import { Oracle } from './duckdb-oracle.ts'
import { randomCondition, randomValue } from './expr-generator.ts'
import { type FrameLike, queryOfTape } from './query-generator.ts'

let database: Oracle
beforeAll(async () => {
  database = await Oracle.open()
})
afterAll(() => database.close())

const typed = (expr: Expr<string, unknown>, schema: Schema) => typeExpr(expr.node, schema).type

describe('expression generator', () => {
  it('declares the types that Spillway infers', () => {
    fc.assert(
      fc.property(schemas(), tapes(), (schema, tape) => {
        const choices = new Choices(tape)
        const columns = schema.fields.map(({ name, type }) => ({ name, type }))
        const value = randomValue(choices, columns)
        const found = typed(value.expr, schema)
        expect(typeEquals(found, value.type), `${value.sql}: ${typeName(found)} / ${typeName(value.type)}`).toBe(true)
        expect(typed(randomCondition(choices, columns).expr, schema).kind).toBe('boolean')
      }),
      { numRuns: 300 },
    )
  })
})

describe('query generator', () => {
  it('spells SQL that runs and gives the declared columns', async () => {
    let sinks = 0
    let ordered = 0
    await fc.assert(
      fc.asyncProperty(tables({ maxRows: 20 }), tapes(), async (table, tape) => {
        const query = queryOfTape(table.schema, tape)
        await database.createTable('t', table)
        const result = await database.query(query.sql('t'))
        expect(result.names).toEqual(query.columns.map(({ name }) => name))
        expect(result.families).toEqual(query.columns.map(({ type }) => familyOf(type)))
        if (query.hasSink) sinks++
        if (query.ordered) ordered++
      }),
      { numRuns: 150 },
    )
    expect(sinks).toBeGreaterThan(10)
    expect(ordered).toBeGreaterThan(10)
  })

  it('spells joins in both forms with the same columns', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(tables({ maxRows: 30 }), tapes(90), async (table, tape) => {
        const query = queryOfTape(table.schema, tape)
        const join = query.steps.find((step) => step.includes(' join '))
        if (join === undefined) return
        const kind = join.split(' ')[0] ?? ''
        seen.set(kind, (seen.get(kind) ?? 0) + 1)
        await database.createTable('t', table)
        const result = await database.query(query.sql('t'))
        expect(result.names).toEqual(query.columns.map(({ name }) => name))
        expect(result.families).toEqual(query.columns.map(({ type }) => familyOf(type)))
        const types = Object.fromEntries(table.schema.fields.map(({ name, type }) => [name, type]))
        const columns = Object.fromEntries(table.schema.fields.map(({ name }) => [name, []]))
        const frame = DataFrame(columns, types).lazy() as unknown as FrameLike
        const api = { concat: (frames: FrameLike[]) => LazyFrame.concat(frames as never) as unknown as FrameLike }
        const built = query.build(frame, api) as unknown as LazyFrame
        expect(Object.entries(built.schema)).toEqual(query.columns.map(({ name, type }) => [name, type]))
      }),
      { numRuns: 400 },
    )
    expect([...seen.keys()].sort()).toEqual(['anti', 'cross', 'full', 'inner', 'left', 'right', 'semi'])
  })

  it('reads the empty tape as the plain scan', async () => {
    await fc.assert(
      fc.asyncProperty(schemas(), async (schema) => {
        expect(queryOfTape(schema, []).steps).toEqual([])
      }),
      { numRuns: 5 },
    )
  })
})
