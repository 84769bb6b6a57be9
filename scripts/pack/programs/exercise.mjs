// What each form of the published package must do: join, group by with spilling, sort, batches, an Arrow table, typed
// errors. Takes the package as it was imported or required. Ends with an error when a value is not the expected one.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'

export default async function exercise(spillway, file, options = {}) {
  const { col, createEngine, intRange, LazyFrame, len, PlanError, scanParquet } = spillway
  const engine = createEngine({ threads: 2, memoryLimit: '1GB', ...options })
  try {
    const orders = LazyFrame({ id: intRange(0, 100_000) }).withColumns(col('id').mod(1000).alias('customer'))
    await orders.sinkParquet(file)
    const customers = LazyFrame({ customer: intRange(0, 1000) }).withColumns(col('customer').mod(7).alias('region'))
    const query = engine
      .scanParquet(file)
      .join(customers, { on: 'customer' })
      .groupBy('id', 'region')
      .agg(len().alias('orders'))
      .groupBy('region')
      .agg(col('orders').sum().alias('orders'), col('id').max().alias('last'))
      .sort('region')
    const result = await query.collect({ testing: { forceSpill: true } })
    assert.equal(result.height, 7)
    assert.deepEqual(
      result.getColumn('orders').toArray().map(Number),
      [14300, 14300, 14300, 14300, 14300, 14300, 14200],
    )
    assert.equal(result.toRecords()[6].last, 99993n)
    assert.ok(
      result.metrics.operators.some(({ spilledBytes }) => spilledBytes > 0),
      'nothing was spilled',
    )

    let rows = 0
    for await (const batch of engine.scanParquet(file).collectBatches()) rows += batch.numRows
    assert.equal(rows, 100_000)
    assert.equal((await result.lazy().filter(col('region').gt(2)).collect()).height, 4)
    const table = result.toArrow()
    assert.equal(table.numRows, 7)
    assert.equal(spillway.fromArrow(table).height, 7)

    assert.throws(
      () => scanParquet(file).select('customre'),
      (error) => {
        return (
          error instanceof PlanError &&
          error instanceof Error &&
          error.code === 'COLUMN_NOT_FOUND' &&
          error.name === 'PlanError'
        )
      },
    )
    const frame = new spillway.DataFrame({ day: [new Date(0)], bytes: Float64Array.of(1.5), name: ['a'] })
    assert.deepEqual((await frame.lazy().filter(col('name').eq('a')).collect()).toRecords(), [
      { day: new Date(0), bytes: 1.5, name: 'a' },
    ])
    return table
  } finally {
    await engine.close()
    rmSync(file, { force: true })
  }
}
