/**
 * Arrow IPC files with changed bytes: each scan ends with rows or with a DataError, never with a trap, a hang or an
 * error without a code, and the engine holds nothing afterwards. SPILLWAY_IPC_FUZZ_RUNS and _SEED make longer searches.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { col, createEngine, SpillwayError } from 'spillway'
import { expect, it } from 'vitest'

const RUNS = Number(process.env['SPILLWAY_IPC_FUZZ_RUNS'] ?? '400')
const SLOW_MS = 10_000
/** What damage may end with. A length that is damaged may ask for more memory than there is. */
const EXPECTED: ReadonlySet<string> = new Set(['ARROW_INVALID', 'UNSUPPORTED_FORMAT', 'MEMORY_LIMIT'])

let seed = Number(process.env['SPILLWAY_IPC_FUZZ_SEED'] ?? '1')
const random = (limit: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * limit)
}

const files = ['plain', 'lz4', 'zstd'].map((name) =>
  readFileSync(fileURLToPath(new URL(`../../src/ipc/files/${name}.arrow`, import.meta.url))),
)
const numbers = [0, -1, 2 ** 31 - 1, -(2 ** 31), 65536]

/** One to three changes, most of them where the metadata is: the footer at the end, the first messages at the start. */
function damaged(): Buffer {
  const bytes = Buffer.from(files[random(files.length)] as Buffer)
  for (let left = 1 + random(3); left > 0; left--) {
    const zone = random(3)
    const at =
      zone === 0 ? random(bytes.length) : zone === 1 ? bytes.length - 8 - random(5500) : Math.min(random(4000), 4000)
    const kind = random(4)
    if (kind === 0) bytes[at] = (bytes[at] as number) ^ (1 << random(8))
    else if (kind === 1) bytes[at] = [0, 255, 127, 128, 1][random(5)] as number
    else if (kind === 2) bytes.writeInt32LE(numbers[random(numbers.length)] as number, at & ~3)
    else bytes.copyWithin(at, random(bytes.length), bytes.length - random(16))
  }
  return random(20) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes
}

it('changed bytes give rows or a DataError', { timeout: 600_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-ipc-fuzz-'))
  const engine = createEngine({ threads: 2, memoryLimit: '500MB' })
  const ends: Record<string, number> = {}
  try {
    for (let run = 0; run < RUNS; run++) {
      const path = join(folder, 'damaged.arrow')
      writeFileSync(path, damaged())
      const state = `run ${run}, seed ${seed}`
      const started = performance.now()
      let end = 'rows'
      try {
        const frame = engine.scanIpc(path)
        const column = frame.columns[random(frame.columns.length)]
        const isFiltered = column !== undefined && random(2) === 0
        const query = isFiltered ? frame.filter(col(column).isNotNull()) : frame
        if (column !== undefined) {
          const testing = random(2) === 0 ? {} : { batchRows: 13, morselRows: 29 }
          ;(await query.collect({ testing })).toRecords()
        }
      } catch (error) {
        if (!(error instanceof SpillwayError)) throw new Error(`untyped error, ${state}`, { cause: error })
        expect(EXPECTED, `${state}: ${error.message}`).toContain(error.code)
        end = error.code
      }
      expect(performance.now() - started, state).toBeLessThan(SLOW_MS)
      ends[end] = (ends[end] ?? 0) + 1
    }
    expect(await engine.usage()).toMatchObject({ runningQueries: 0, reservedPages: 0, usedPages: 0 })
  } finally {
    await engine.close()
    rmSync(folder, { recursive: true })
  }
  console.log(`ipc fuzz: ${JSON.stringify(ends)}`)
  // Both ends are reached, so that neither all is refused nor all is believed.
  expect(ends['rows']).toBeGreaterThan(RUNS / 10)
  expect(ends['ARROW_INVALID']).toBeGreaterThan(RUNS / 10)
})
