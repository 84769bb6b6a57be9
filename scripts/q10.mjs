import { readFileSync, statfsSync } from 'node:fs'
import { scanParquet, col, createEngine, len } from 'spillway'
const [limit, threads] = process.argv.slice(2)
const vm = () => /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status','utf8'))[1] * 1024 / 1e6
const rss = () => /VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status','utf8'))[1] * 1024 / 1e6
console.log('start', vm())
const engine = createEngine({ memoryLimit: limit, threads: Number(threads ?? 2), tempDir: '/var/tmp' })
const t = performance.now()
const q = scanParquet('bench/data/g1-10000000-k100.parquet', {session: engine}).groupBy('id1','id2','id3','id4','id5','id6').agg(col('v3').sum().alias('v3'), len().alias('n'))
console.log(await q.explain({physical: true}))
try {
const r = await q.sinkParquet('/var/tmp/q10.parquet', { onProgress(p) { if (process.env.TRACE) { const m = process.memoryUsage(); console.log(p.phase, p.fraction.toFixed(2), 'rss', Math.round(m.rss/1e6), 'heap', Math.round(m.heapTotal/1e6), 'ext', Math.round(m.external/1e6), 'ab', Math.round(m.arrayBuffers/1e6)) } } })
console.log(r.rowCount, r.bytes, performance.now() - t, 'spilled', r.metrics.spilledBytes/1e6, 'floor', r.metrics.floorBytes/1e6, 'threads', r.metrics.threads, 'arena', r.metrics.arenaPeakBytes/1e6)
for (const o of r.metrics.operators) console.log(o.label, Math.round(o.timeMs), o.rowsIn, o.rowsOut, 'spill', o.spilledBytes/1e6, o.partitionsSpilled, 'depth', o.recursionDepth, 'amp', o.amplification.toFixed(2))
} catch (e) { console.log(e) }
console.log('peak', vm(), 'rss', rss(), await engine.usage())
await engine.close()
