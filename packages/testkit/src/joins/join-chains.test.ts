/**
 * Several joins in one query, against DuckDB: build sides that live together, a build side that is itself joined, joins
 * under and over a group-by, and a slice that ends a join early. In memory, spilled, and in little memory.
 */
import { col, type LazyFrame, len, max, type QueryOptions, sum } from 'spillway'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableOfArrow } from '../arrow-cells.ts'
import { tableDifference } from '../compare-tables.ts'
import { JoinStage, reached } from './join-stage.ts'

let stage: JoinStage
beforeAll(async () => {
  stage = await JoinStage.open()
  const facts = [1, 2, 3, 4, 5].map((n) => `hash(i * ${n}) % 6000 AS k${n}`).join(', ')
  await stage.table('facts', `SELECT i::BIGINT AS row, ${facts} FROM range(20000) t(i)`)
  for (const n of [1, 2, 3, 4, 5]) {
    const select = `SELECT (i * 7)::UBIGINT % 5000 AS d${n}, i::BIGINT AS r${n},
      repeat('p${n}', i % 40 + 20) || i AS p${n}
      FROM range(5000) t(i)`
    await stage.table(`dim${n}`, select)
  }
}, 60_000)
afterAll(async () => {
  await stage[Symbol.asyncDispose]()
})

const check = async (frame: LazyFrame, sql: string, options: QueryOptions) => {
  const result = await frame.collect(options)
  const exact = { ordered: false, relativeFloat: 0, absoluteFloat: 0 }
  const difference = tableDifference(tableOfArrow(result.toArrow()), await stage.oracle.query(sql), exact)
  if (difference !== undefined) throw new Error(`${difference}\n${sql}`)
  return result
}

const kinds = ['inner', 'left', 'inner', 'left', 'inner'] as const

/** facts joined with five tables, one after the other. */
const chain = (buildSide: 'auto' | 'right' | 'left') => {
  let frame = stage.scan('facts')
  kinds.forEach((how, index) => {
    const n = index + 1
    frame = frame.join(stage.scan(`dim${n}`), {
      leftOn: `k${n}`,
      rightOn: `d${n}`,
      how,
      buildSide,
      coalesce: false,
    }) as LazyFrame
  })
  return frame.select(
    len().alias('n'),
    ...[1, 2, 3, 4, 5].flatMap((n) => [max(`p${n}`), sum(`r${n}`).alias(`s${n}`)]),
    sum('row'),
  )
}
const joins = kinds.map((how, i) => `${how.toUpperCase()} JOIN dim${i + 1} ON k${i + 1} = d${i + 1}`).join(' ')
const outputs = [1, 2, 3, 4, 5].map((n) => `max(p${n}) AS p${n}, sum(r${n})::BIGINT AS s${n}`).join(', ')
const chainSql = `SELECT count(*) AS n, ${outputs}, sum(row)::BIGINT AS row FROM facts ${joins}`

describe('five joins in a row', () => {
  const modes: { name: string; options: QueryOptions; spills: boolean }[] = [
    { name: 'in memory', options: { threads: 2 }, spills: false },
    {
      name: 'spilled',
      options: { threads: 2, testing: { forceSpill: true, batchRows: 1024, partitionBits: 2 } },
      spills: true,
    },
    { name: 'in little memory', options: { threads: 1, testing: { budgetPages: 400, batchRows: 512 } }, spills: true },
    {
      name: 'two workers in little memory',
      options: { threads: 2, testing: { budgetPages: 700, batchRows: 512, poison: true } },
      spills: false,
    },
  ]
  for (const { name, options, spills } of modes) {
    for (const buildSide of ['auto', 'right', 'left'] as const) {
      it(`${name}, build ${buildSide}`, { timeout: 120_000 }, async () => {
        const result = await check(chain(buildSide), chainSql, options)
        if (spills) expect(reached(result).partitionsSpilled).toBeGreaterThanOrEqual(1)
      })
    }
  }
})

describe('joins with other operators', () => {
  for (const testing of [{}, { forceSpill: true, batchRows: 512, partitionBits: 2 }, { batchRows: 1 }]) {
    it(`a build side that is joined, under a group-by: ${JSON.stringify(testing)}`, { timeout: 120_000 }, async () => {
      const dims = stage.scan('dim1').join(stage.scan('dim2'), { leftOn: 'd1', rightOn: 'd2', coalesce: false })
      const frame = stage
        .scan('facts')
        .filter(col('k3').gtEq(5000))
        .join(dims as LazyFrame, { leftOn: 'k1', rightOn: 'd1', coalesce: false, buildSide: 'right' })
        .groupBy('k2')
        .agg(len().alias('n'), max('p1'), max('p2'))
      await check(
        frame as LazyFrame,
        `SELECT k2, count(*) AS n, max(p1) AS p1, max(p2) AS p2 FROM (SELECT * FROM facts WHERE k3 >= 5000)
          JOIN (SELECT * FROM dim1 JOIN dim2 ON d1 = d2) ON k1 = d1 GROUP BY k2`,
        { testing },
      )
    })
    it(`over group-by and concat: ${JSON.stringify(testing)}`, { timeout: 120_000 }, async () => {
      const counts = stage.scan('facts').groupBy('k1').agg(len().alias('n'))
      const both = stage.concat([stage.scan('dim1'), stage.scan('dim1')])
      const frame = counts.join(both, { leftOn: 'k1', rightOn: 'd1', how: 'full', coalesce: false })
      await check(
        frame.select(len().alias('rows'), sum('n').alias('n'), sum('r1').alias('r')) as LazyFrame,
        `SELECT count(*) AS rows, sum(n)::BIGINT AS n, sum(r1)::BIGINT AS r FROM
          (SELECT k1, count(*) AS n FROM facts GROUP BY k1)
          FULL JOIN (SELECT * FROM dim1 UNION ALL SELECT * FROM dim1) ON k1 = d1`,
        { testing },
      )
    })
  }
  it('stops when a slice is full', { timeout: 60_000 }, async () => {
    const frame = stage.scan('facts').join(stage.scan('facts'), { how: 'cross' }).select('row').head(10)
    const result = await frame.collect({ testing: {} })
    expect(result.height).toBe(10)
    const probed = result.metrics?.operators.find(({ label }) => label === 'STREAMING_EQUI_JOIN')
    expect(probed?.rowsOut).toBeLessThan(1_000_000)
  })
  it('joins without output columns', async () => {
    const frame = stage.scan('facts').join(stage.scan('dim1'), { leftOn: 'k1', rightOn: 'd1' }).select(len().alias('n'))
    await check(frame as LazyFrame, 'SELECT count(*) AS n FROM facts JOIN dim1 ON k1 = d1', {})
  })
  it('tells in the plan which side is kept, and why', async () => {
    const frame = stage.scan('facts').join(stage.scan('dim1'), { leftOn: 'k1', rightOn: 'd1' })
    const chosen = await frame.explain({ physical: true })
    expect(chosen).toContain(
      'STREAMING_EQUI_JOIN [spillable] inner join(col("k1") = col("d1")) build=right (the smaller',
    )
    const forced = stage.scan('facts').join(stage.scan('dim1'), { leftOn: 'k1', rightOn: 'd1', buildSide: 'left' })
    expect(await forced.explain({ physical: true })).toContain('build=left (as asked; estimated rows: left 20000')
  })
})
