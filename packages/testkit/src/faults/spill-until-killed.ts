/** Child script: spills under the directory given as argument until it is killed. */
import { createEngine, first, intRange, LazyFrame, repeat } from 'spillway'

const engine = createEngine({ tempDir: process.argv[2] as string, allowTmpfs: true, threads: 1, memoryLimit: '1GB' })
const rows = 2_000_000
for (;;) {
  await LazyFrame({ key: intRange(0, rows), text: repeat('spilled '.repeat(8), rows) }, { session: engine })
    .groupBy('key')
    .agg(first('text'))
    .head(1)
    .collect({ testing: { forceSpill: true } })
}
