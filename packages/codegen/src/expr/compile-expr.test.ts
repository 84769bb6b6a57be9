/** Random expressions over random batches: generated code must agree with the twin on values and on what raises. */
import { raiseCode } from '@spillway/columnar'
import { exprText, type TypedExpr } from '@spillway/plan'
import { SpillwayError } from '@spillway/stdx'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CellValue } from './arena-batch.ts'
import { interpretExpr, type Row } from './interpret-expr.ts'
import { columnName, Random, randomExpr, randomValue, sampleTypes } from './random-expr.ts'
import { nullableSchema, runStage } from './stage-harness.ts'

const schema = nullableSchema(sampleTypes.map((type) => [columnName(type), type] as const))

interface Sample {
  readonly columns: CellValue[][]
  readonly rows: Row[]
  readonly selection: number[] | undefined
}

function randomSample(random: Random, rowCount: number): Sample {
  const columns = sampleTypes.map((type) => {
    const nullOneIn = random.pick([0, 0, 2, 10])
    return Array.from({ length: rowCount }, () =>
      nullOneIn > 0 && random.below(nullOneIn) === 0 ? null : randomValue(random, type),
    )
  })
  const rows = Array.from({ length: rowCount }, (_, k) =>
    Object.fromEntries(sampleTypes.map((type, c) => [columnName(type), columns[c]?.[k] ?? null])),
  )
  const keep = Array.from({ length: rowCount }, (_, k) => k).filter(() => random.below(3) > 0)
  return { columns, rows, selection: random.below(2) === 0 ? undefined : keep }
}

/** Which error the twin raises, as a code of the error slot. */
function codeOf(error: unknown): number {
  if (!(error instanceof SpillwayError)) throw error
  return error.code === 'OVERFLOW' ? raiseCode.overflow : raiseCode.castFailed
}

const conjunctsOf = (expr: TypedExpr): TypedExpr[] =>
  expr.kind === 'binary' && expr.op === 'and' ? [...conjunctsOf(expr.left), ...conjunctsOf(expr.right)] : [expr]

describe('generated expressions', () => {
  it('project what the twin computes', () => {
    const property = fc.property(fc.nat(), fc.integer({ min: 0, max: 130 }), (seed, rowCount) => {
      const random = new Random(seed)
      const sample = randomSample(random, rowCount)
      const expr = randomExpr(random, random.pick(sampleTypes), 1 + random.below(3))
      const run = runStage(
        { input: schema, filter: undefined, project: [{ name: 'x', expr }] },
        sample.columns,
        rowCount,
        sample.selection,
      )
      const expected: CellValue[] = []
      let raised: { code: number; row: number } | undefined
      for (const k of sample.selection ?? sample.rows.keys()) {
        try {
          expected.push(interpretExpr(expr, sample.rows[k] as Row))
        } catch (error) {
          raised = { code: codeOf(error), row: k }
          break
        }
      }
      const context = exprText(expr)
      if (raised !== undefined) expect(run.raised, context).toMatchObject(raised)
      else expect(run.raised, context).toBeUndefined()
      if (raised === undefined) expect(run.columns[0]?.map(unsignZero), context).toEqual(expected.map(unsignZero))
    })
    fc.assert(property, { numRuns: 400 })
  })

  it('keep the rows for which the twin is true', () => {
    const property = fc.property(fc.nat(), fc.integer({ min: 0, max: 130 }), (seed, rowCount) => {
      const random = new Random(seed)
      const sample = randomSample(random, rowCount)
      const boolean = sampleTypes[0] as (typeof sampleTypes)[number]
      const [left, right] = [randomExpr(random, boolean, 2), randomExpr(random, boolean, 2)]
      const filter: TypedExpr = { kind: 'binary', op: 'and', left, right, type: boolean, nullable: true }
      const run = runStage({ input: schema, filter, project: undefined }, sample.columns, rowCount, sample.selection)
      let kept = [...(sample.selection ?? sample.rows.keys())]
      let code: number | undefined
      try {
        for (const part of conjunctsOf(filter))
          kept = kept.filter((k) => interpretExpr(part, sample.rows[k] as Row) === true)
      } catch (error) {
        code = codeOf(error)
      }
      expect(run.raised?.code, exprText(filter)).toBe(code)
      if (code === undefined) expect(run.selection ?? [...sample.rows.keys()], exprText(filter)).toEqual(kept)
    })
    fc.assert(property, { numRuns: 300 })
  })
})

/** -0 and 0 are one value. */
const unsignZero = (value: CellValue): CellValue => (value === 0 ? 0 : value)
