import { scanParquet, col, LazyFrame, intRange, repeat, createEngine, DataFrame, len } from 'spillway'
const t0 = performance.now()
const df = await LazyFrame({ key: intRange(0, 100000), payload: repeat('x'.repeat(64), 100000) }).filter(col('key').lt(10)).collect()
console.log(String(df), performance.now() - t0)
const g = await LazyFrame({ key: intRange(0, 1000000) }).select(col('key').mod(7).alias('k'), col('key')).groupBy('k').agg(col('key').sum().alias('s'), len().alias('n')).collect()
console.log(String(g), g.metrics.timeMs)
