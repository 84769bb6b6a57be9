import fs from 'node:fs'; import path from 'node:path'; import { spawnSync, spawn } from 'node:child_process'; import { pathToFileURL } from 'node:url'
import * as S from 'spillway'
const { col, lit, len, when, scanParquet, scanIpc, LazyFrame, DataFrame, DataType, intRange, concat, createEngine, collectAll } = S
const dir = fs.mkdtempSync('/var/tmp/acc-'); process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }))
const f = (n) => path.join(dir, n); const fails = []; let checks = 0
const ok = (what, cond, note = '') => { checks++; if (!cond) { fails.push(`${what} ${note}`); console.log('  FAIL', what, note) } }
const err = async (what, codes, fn) => { checks++; let e; try { const r = await fn(); fails.push(what + ': no error'); console.log('  FAIL', what, 'no error', String(r).slice(0, 100)); return } catch (x) { e = x } const good = [].concat(codes).includes(e.code); if (!good) fails.push(what); console.log(good ? '  ok  ' : '  FAIL', what, '→', e.code ?? e.name, String(e.message).slice(0, 220)); return e }
const tryit = async (what, fn) => { checks++; try { const r = await fn(); console.log('  ok  ', what, '→', String(typeof r === 'object' ? JSON.stringify(r, (_, v) => typeof v === 'bigint' ? String(v) : v) : r).slice(0, 160)); return r } catch (e) { fails.push(what); console.log('  FAIL', what, e.code ?? e.name, String(e.message).slice(0, 250)) } }
const peakMb = () => Math.round(Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024 / 1e6)
const done = () => { console.log(fails.length ? `FAIL ${fails.length} of ${checks}` : `PASS ${checks}`); process.exit(fails.length ? 1 : 0) }
let longest = 0, last = performance.now(); const timer = setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now }, 2)
const stage = async (what, fn) => { await new Promise((r) => setTimeout(r, 50)); longest = 0; last = performance.now(); const t0 = performance.now(); try { const r = await fn(); await new Promise((r) => setTimeout(r, 3)); console.log('  ', what, Math.round(performance.now() - t0), 'ms, longest stall', Math.round(longest), r ?? ''); return performance.now() - t0 } catch (e) { fails.push(what); console.log('  FAIL', what, e.code ?? e.name, String(e.message).slice(0, 300)) } }
const W = Number(process.argv[2] ?? 10000), R = Number(process.argv[3] ?? 1000)
const make = {}; for (let i = 0; i < W; i++) { const a = new Float64Array(R); for (let r = 0; r < R; r++) a[r] = r * i; make['c' + i] = a }
await stage('DataFrame + sink (set up)', () => new DataFrame(make).lazy().sinkParquet(f('w.parquet')))
await stage('sink ipc (set up)', () => scanParquet(f('w.parquet')).sinkIpc(f('w.arrow')))
let total = 0
total += await stage('scan+filter+collect', async () => (await scanParquet(f('w.parquet')).filter(col('c5').gt(100)).collect()).columns.length)
total += await stage('scan+filter+sink', async () => { await scanParquet(f('w.parquet')).filter(col('c5').gt(100)).sinkParquet(f('w2.parquet')) })
console.log('total', Math.round(total))
await stage('ipc collect', async () => (await scanIpc(f('w.arrow')).filter(col('c5').gt(100)).collect()).columns.length)
await stage('ipc sinkIpc', async () => { await scanIpc(f('w.arrow')).filter(col('c5').gt(100)).sinkIpc(f('w2.arrow')) })
await stage('select of W expressions', async () => (await scanParquet(f('w.parquet')).select(Object.keys(make).map((c) => col(c).add(1).alias(c))).collect()).columns.length)
await stage('again: scan+filter+collect', async () => (await scanParquet(f('w.parquet')).filter(col('c5').gt(100)).collect()).columns.length)
await stage('sort', async () => (await scanParquet(f('w.parquet')).sort('c3', true).collect()).columns.length)
await stage('unique', async () => (await scanParquet(f('w.parquet')).unique().collect()).numRows)
await stage('sum all', async () => (await scanParquet(f('w.parquet')).select(Object.keys(make).map((c) => col(c).sum())).collect()).columns.length)
await stage('groupBy 1 sum all', async () => (await scanParquet(f('w.parquet')).groupBy('c0').agg(Object.keys(make).slice(1).map((c) => col(c).sum())).collect()).columns.length)
await stage('groupBy half', async () => (await scanParquet(f('w.parquet')).groupBy(Object.keys(make).slice(0, W / 2)).agg(col('c' + (W - 1)).sum()).collect()).columns.length)
await stage('join', async () => (await scanParquet(f('w.parquet')).join(scanParquet(f('w.parquet')), { on: 'c1' }).collect()).columns.length)
await stage('concat', async () => (await concat([scanParquet(f('w.parquet')), scanParquet(f('w.parquet'))]).collect()).columns.length)
await stage('rename all', async () => (await scanParquet(f('w.parquet')).rename(Object.fromEntries(Object.keys(make).map((c) => [c, c + 'x']))).collect()).columns.length)
await stage('explain', async () => (await scanParquet(f('w.parquet')).filter(col('c5').gt(100)).explain()).length)
await stage('toRecords', async () => (await scanParquet(f('w.parquet')).limit(10).collect()).toRecords().length)
console.log('peak', peakMb()); done()
