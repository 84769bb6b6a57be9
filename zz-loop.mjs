/**
 * The loop of the well-known complaint: one collect per literal, results kept and concatenated at the end. Prints
 * resident bytes after the 20th collect and at the end, and the bytes kept. Arguments: file, iterations.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { col, concat, createEngine, scanParquet } from 'spillway'

const [source, iterations] = process.argv.slice(2)

function residentBytes() {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
}

const engine = createEngine({ memoryLimit: '2GB', threads: Number(process.env.TH ?? 2), tempDir: '/var/tmp' })
const count = Number(iterations)
const kept = []
const course = []
let afterTwenty = 0
for (let index = 0; index < count; index++) {
  const frame = await scanParquet(source, { session: engine })
    .filter(col('value').gt(120).and(col('key').mod(1000).eq(index)))
    .collect()
  kept.push(frame)
  if (index === 19) afterTwenty = residentBytes()
  if (index===19||index%100 === 99) {const m=process.memoryUsage(); console.log(index, 'rss',m.rss/1e6|0,'total',m.heapTotal/1e6|0,'used',m.heapUsed/1e6|0,'ext',m.external/1e6|0,'ab',m.arrayBuffers/1e6|0); writeFileSync('/tmp/w2b/loop-'+index, readFileSync('/proc/self/smaps'))}
}
const all = concat(kept)
let keptBytes = 0
for (const batch of all.toArrow().batches) {
  for (const part of batch.data.children) for (const one of part.buffers) keptBytes += one?.byteLength ?? 0
}
const outcome = { afterTwenty, atEnd: residentBytes(), keptBytes, height: all.height, course }
process.stdout.write(`${JSON.stringify(outcome)}\n`)
await engine.close()
