/**
 * Queries inside queries and beside queries on one engine of two threads, in a process of its own. Prints JSON.
 * Arguments: file, what (`nested`, `beside`), memory limit, number of queries beside each other.
 */
import { readFileSync } from 'node:fs'
import { col, createEngine, len, scanParquet } from 'spillway'

const [source, what, limit, count] = process.argv.slice(2)
const engine = createEngine({ memoryLimit: limit, threads: 2, tempDir: '/var/tmp' })
const scan = () => scanParquet(source, { session: engine })
const groups = () => scan().groupBy('key', 'name').agg(col('value').sum().alias('value'), len().alias('n'))

/** Rows of one batch's worth of a nested query; each level asks its own question. */
async function nested(depth) {
  let rows = 0
  let inner = 0
  for await (const batch of (depth === 1 ? scan() : groups()).collectBatches()) {
    rows += batch.numRows
    if (inner > 2) continue
    inner += 1
    if (depth < 2) await nested(depth + 1)
    const found = await scan().filter(col('key').lt(5)).groupBy('key').agg(len().alias('n')).collect()
    if (found.height !== 5) throw new Error(`the inner query found ${found.height} groups`)
  }
  return rows
}

async function beside(index) {
  if (index % 4 === 0) return (await groups().filter(col('key').lt(1000)).collect()).height
  return (await scan().filter(col('key').lt(1000)).collect()).height
}

const started = performance.now()
const answers =
  what === 'nested'
    ? [await nested(0), await nested(1)]
    : await Promise.all(Array.from({ length: Number(count) }, (_, index) => beside(index)))
const peakBytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
const usage = await engine.usage()
const timeMs = Math.round(performance.now() - started)
process.stdout.write(`${JSON.stringify({ answers, peakBytes, usage, timeMs })}\n`)
await engine.close()
