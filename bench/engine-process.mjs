// One engine in one process, steered by messages from run.mjs: open, run (timed here), check, peak, close.
// Every request is answered by exactly one message: { value } or { error }.
import { readFileSync } from 'node:fs'
import { queries } from './queries.mjs'

/** Peak resident bytes of this process as the kernel counted them. */
function peakBytes() {
  const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return match === null ? process.resourceUsage().maxRSS * 1024 : Number(match[1]) * 1024
}

let engine
let query
const actions = {
  async open(options) {
    const { open } = await import(`./engines/${options.engine}.mjs`)
    query = queries.get(options.query)
    const { engine: _name, ...rest } = options
    engine = await open(rest)
  },
  async run() {
    const cpuStart = process.cpuUsage()
    const start = performance.now()
    await engine.run(query)
    const ms = performance.now() - start
    const { user, system } = process.cpuUsage(cpuStart)
    return { ms, cpuMs: (user + system) / 1000 }
  },
  check: () => engine.check(query),
  peak: async () => peakBytes(),
  async close() {
    await engine.close()
    setImmediate(() => process.exit(0))
  },
}

process.on('message', async ({ action, options }) => {
  try {
    process.send({ value: await actions[action](options) })
  } catch (error) {
    process.send({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) })
  }
})
