/**
 * The loop of the well-known complaint: one collect per literal, results kept and concatenated at the end. Prints
 * resident bytes after the 20th collect and at the end, and the bytes kept. Arguments: file, iterations.
 */
import { readFileSync } from 'node:fs'
import { col, concat, createEngine, scanParquet } from 'spillway'

const [source, iterations] = process.argv.slice(2)

function residentBytes() {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
}

const engine = createEngine({ memoryLimit: '2GB', threads: 2, tempDir: '/var/tmp' })
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
  if (index % 100 === 19) course.push(Math.round(residentBytes() / 1e6))
}
const all = concat(kept)
const atEnd = residentBytes()
let keptBytes = 0
for (const batch of all.toArrow().batches) {
  for (const part of batch.data.children) for (const one of part.buffers) keptBytes += one?.byteLength ?? 0
}
const outcome = { afterTwenty, atEnd, keptBytes, height: all.height, course }
process.stdout.write(`${JSON.stringify(outcome)}\n`)
await engine.close()
