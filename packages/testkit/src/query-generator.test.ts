// Generated queries are well formed: the SQL twin runs, its column families are the declared ones, and Spillway's own
// typing of every expression gives the declared type.
import { type Schema, typeEquals, typeName } from '@spillway/columnar'
import { type Expr, typeExpr } from '@spillway/plan'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schemas, tables } from './arbitraries.ts'
import { familyOf } from './cells.ts'
import { Choices, tapes } from './choices.ts'
import { Oracle } from './duckdb-oracle.ts'
import { randomCondition, randomValue } from './expr-generator.ts'
import { queryOfTape } from './query-generator.ts'

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

  it('reads the empty tape as the plain scan', async () => {
    await fc.assert(
      fc.asyncProperty(schemas(), async (schema) => {
        expect(queryOfTape(schema, []).steps).toEqual([])
      }),
      { numRuns: 5 },
    )
  })
})
