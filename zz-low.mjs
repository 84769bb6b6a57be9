import { readFileSync } from 'node:fs'
import { col, createEngine, len, scanParquet } from 'spillway'
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1e3
const engine = createEngine({ threads: Number(process.argv[3]??2), tempDir: '/var/tmp/w2b' })
const F='/var/tmp/w2b/rows2m.parquet'
if (process.argv[2]==='sink') await scanParquet(F,{session:engine}).groupBy('key','name').agg(col('value').sum().alias('total')).sinkParquet('/var/tmp/w2b/o.parquet', { memoryLimit: '1GB' })
if (process.argv[2]==='collect') await scanParquet(F,{session:engine}).groupBy('key','name').agg(col('value').sum().alias('total')).filter(col('total').lt(-1)).collect({ memoryLimit: '1GB' })
if (process.argv[2]==='scan') await scanParquet(F,{session:engine}).filter(col('value').lt(-1)).collect({ memoryLimit: '1GB' })
console.log(process.argv.slice(2).join(' '), 'after', rss(), (await engine.usage()).arenaBytes/1e6)
try { await scanParquet(F,{session:engine}).head(10).collect({ memoryLimit: process.argv[4]??'260MB' }) } catch (e) { console.log(e.message) }
console.log('lowered', rss(), (await engine.usage()).arenaBytes/1e6)
await engine.close(); console.log('closed', rss())
