/** A thousand small files in one scan: VmHWM stays under a limit that their number has no part in. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { col, createEngine, intRange, LazyFrame } from 'spillway'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { measureChild } from '../measure-child.ts'

const FILES = 1000
const ROWS = 3000
const LIMIT_MB = 200
let folder: string
beforeAll(async () => {
  folder = mkdtempSync('/var/tmp/spillway-many-files-')
  const engine = createEngine({ threads: 1, memoryLimit: '1GB' })
  const rows = LazyFrame({ n: intRange(0, ROWS) }, { session: engine }).select(
    ...Array.from({ length: 10 }, (_, index) =>
      col('n')
        .mul(index + 1)
        .alias(`c${index}`),
    ),
  )
  for (const [format, extension] of [
    ['parquet', 'parquet'],
    ['ipc', 'arrow'],
  ] as const) {
    mkdirSync(join(folder, format))
    const first = join(folder, format, `0000.${extension}`)
    await (format === 'ipc' ? rows.sinkIpc(first) : rows.sinkParquet(first))
    for (let file = 1; file < FILES; file++) {
      copyFileSync(first, join(folder, format, `${String(file).padStart(4, '0')}.${extension}`))
    }
  }
  await engine.close()
}, 120_000)
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

it.each([
  ['parquet', 'default'],
  ['parquet', '4MB'],
  ['ipc', 'default'],
])(`${FILES} files of %s within ${LIMIT_MB} MB, reading ahead: %s`, { timeout: 120_000 }, async (format, readAhead) => {
  const script = fileURLToPath(new URL('many-files-child.mjs', import.meta.url))
  const child = await measureChild(script, [format, join(folder, format), `${LIMIT_MB}MB`, readAhead])
  expect(child.exitCode, child.stderr).toBe(0)
  const sum = (FILES * ROWS * (ROWS - 1)) / 2
  expect(JSON.parse(child.stdout.trim())).toEqual({
    ...{ len: String(FILES * ROWS), c0: String(sum), c9: String(sum * 10) },
    streamed: FILES * ROWS,
  })
  console.log(`${FILES} files, ${format}, ${readAhead}: ${Math.round((child.peakBytes ?? 0) / 1e6)} MB`)
  expect(child.peakBytes).toBeLessThanOrEqual(LIMIT_MB * 1e6)
})
