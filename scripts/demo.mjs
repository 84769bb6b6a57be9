// The demonstration: a join that needs far more memory than it may use. One child process makes 20 million orders and 4
// million customers (each with a 64-byte token) as Parquet; a second one joins them, groups by customer and writes the
// result, under a limit of 400 MB for the whole process; this process only starts them and checks what they report.
// Flags: --rows N (orders; a fifth of that are customers), --limit 400MB, --keep (leave the files, print where).
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(import.meta.url)

function flag(name, fallback) {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}

const millions = (count) => (count >= 1e6 ? `${(count / 1e6).toFixed(1)} M` : `${(count / 1e3).toFixed(0)} k`)
const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`

/** Peak resident bytes of this process as the kernel counted them. */
function peakBytes() {
  try {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
    if (match !== null) return Number(match[1]) * 1024
  } catch {
    // No /proc on this system: the next best figure follows.
  }
  return process.resourceUsage().maxRSS * 1024
}

const quote = (path) => `'${path.replaceAll("'", "''")}'`

/** Makes the input. Customers are in no order; orders are spread evenly over them. Deterministic. */
async function makeTables(ordersPath, customersPath, rows) {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' })
  const connection = await instance.connect()
  const customers = Math.max(1, Math.floor(rows / 5))
  const digits = [1, 2, 3, 4].map((part) => `printf('%016x', hash(i * 4 + ${part}))`).join(' || ')
  const copy = (select, count, path) =>
    connection.run(`COPY (SELECT ${select} FROM (SELECT range AS i FROM range(${count})))
      TO ${quote(path)} (FORMAT PARQUET, COMPRESSION SNAPPY, ROW_GROUP_SIZE 131072)`)
  await copy(`((i * 2654435761) % ${customers})::BIGINT AS customer_id, ${digits} AS token`, customers, customersPath)
  const order = `(hash(i) % ${customers})::BIGINT AS customer_id, (hash(i + 13) % 1000000)::DOUBLE / 100 AS amount`
  await copy(order, rows, ordersPath)
  connection.closeSync()
  instance.closeSync()
}

function drawProgress(progress) {
  const width = 28
  const fraction = Math.max(0, Math.min(1, progress.fraction ?? 0))
  const filled = Math.round(fraction * width)
  const bar = '█'.repeat(filled) + '░'.repeat(width - filled)
  const percent = `${Math.round(fraction * 100)}%`.padStart(4)
  const facts = `${millions(progress.rowsIn ?? 0)} rows, ${megabytes(progress.spilledBytes ?? 0)} spilled`
  process.stderr.write(`\r${bar}${percent}  ${(progress.phase ?? '').padEnd(12)} ${facts}   `)
}

/** The query itself. Prints one line of JSON with the figures. */
async function runQuery(orders, customers, target, memoryLimit) {
  const { scanParquet, col } = await import('spillway')
  const frame = scanParquet(orders)
    .join(scanParquet(customers), { on: 'customer_id', how: 'inner' })
    .groupBy('customer_id')
    .agg(col('amount').sum().alias('revenue'), col('token').min().alias('token'))
  const start = performance.now()
  const onProgress = process.stderr.isTTY ? drawProgress : undefined
  const result = await frame.sinkParquet(target, { memoryLimit, ...(onProgress === undefined ? {} : { onProgress }) })
  if (onProgress !== undefined) process.stderr.write('\n')
  const rows = result.metrics?.rows ?? result.rowCount
  const spilledBytes = result.metrics?.spilledBytes ?? 0
  const timeMs = performance.now() - start
  console.log(
    JSON.stringify({ rows: Number(rows), timeMs, spilledBytes: Number(spilledBytes), peakBytes: peakBytes() }),
  )
}

/** Asks DuckDB, in a process of its own, for the same answer folded into a few numbers. */
async function checkResult(orders, customers, target) {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const fold = 'count(*), sum(revenue), sum(customer_id), sum(hash(token) >> 32)'
  const wanted = `SELECT customer_id, sum(amount) AS revenue, min(token) AS token
    FROM ${quote(orders)} JOIN ${quote(customers)} USING (customer_id) GROUP BY customer_id`
  const [expected] = (await connection.runAndReadAll(`SELECT ${fold} FROM (${wanted})`)).getRows()
  const [found] = (await connection.runAndReadAll(`SELECT ${fold} FROM ${quote(target)}`)).getRows()
  const equal = expected.every((value, index) => {
    const difference = Math.abs(Number(value) - Number(found[index]))
    return difference <= 1e-9 * Math.abs(Number(value))
  })
  connection.closeSync()
  instance.closeSync()
  if (!equal) {
    console.error(`demo: the result differs from DuckDB's: ${found.join(', ')}; expected ${expected.join(', ')}`)
    process.exit(1)
  }
}

/** Runs this script as a child with a task; resolves with what it printed. Progress goes through to the terminal. */
function runTask(task, ...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, '--task', task, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output)
      else reject(new Error(`${task} ended with ${signal ?? `code ${code}`}`))
    })
  })
}

function limitBytes(text) {
  const match = /^([\d.]+)\s*(MB|GB|MiB|GiB)$/.exec(text)
  if (match === null) throw new Error(`Not a size: "${text}". Use 400MB or 1GiB.`)
  return Number(match[1]) * { MB: 1e6, GB: 1e9, MiB: 2 ** 20, GiB: 2 ** 30 }[match[2]]
}

async function main() {
  const rows = Number(flag('rows', '20000000'))
  const limit = flag('limit', '400MB')
  const folder = mkdtempSync(join(tmpdir(), 'spillway-demo-'))
  const orders = join(folder, 'orders.parquet')
  const customers = join(folder, 'customers.parquet')
  const target = join(folder, 'revenue.parquet')
  try {
    console.log(`1. Making ${millions(rows)} orders and ${millions(rows / 5)} customers ...`)
    await runTask('make', orders, customers, String(rows))
    console.log(`   ${megabytes(statSync(orders).size + statSync(customers).size)} of Parquet`)
    console.log(`2. Join and revenue per customer, the process limited to ${limit} ...`)
    const figures = JSON.parse(await runTask('query', orders, customers, target, limit))
    console.log(`   ${figures.rows.toLocaleString('en')} groups in ${(figures.timeMs / 1000).toFixed(1)} s`)
    console.log(`   ${megabytes(figures.spilledBytes)} spilled to disk`)
    console.log(`   peak resident memory ${megabytes(figures.peakBytes)}, limit ${megabytes(limitBytes(limit))}`)
    console.log('3. Comparing with DuckDB ...')
    await runTask('check', orders, customers, target)
    console.log('   the same answer')
    if (figures.peakBytes > limitBytes(limit)) {
      console.error('demo: FAILED: the process held more memory than its limit')
      process.exitCode = 1
    } else {
      console.log('The limit held.')
    }
  } finally {
    if (process.argv.includes('--keep')) console.log(`Files kept in ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

const task = flag('task', undefined)
const [first, second, third, fourth] = process.argv.slice(4)
try {
  if (task === 'make') await makeTables(first, second, Number(third))
  else if (task === 'query') await runQuery(first, second, third, fourth)
  else if (task === 'check') await checkResult(first, second, third)
  else await main()
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
