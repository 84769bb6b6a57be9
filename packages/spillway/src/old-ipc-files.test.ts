/** Arrow IPC files as they were written before the format's messages had their present form. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readIpcMeta } from '@spillway/formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, DataFrame, type Engine } from './index.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-old-ipc-'))
const at = (name: string): string => join(directory, name)
let engine: Engine

beforeAll(() => {
  engine = createEngine({ threads: 1 })
})
afterAll(async () => {
  await engine.close()
  rmSync(directory, { recursive: true })
})

describe('IPC files', () => {
  it('of messages without a continuation, as before Arrow 0.15, are read', async () => {
    const rows = {
      id: Int32Array.from({ length: 500 }, (_, row) => row),
      name: Array.from({ length: 500 }, (_, row) => `n${row}`),
    }
    const frame = DataFrame(rows)
    await frame.lazy().sinkIpc(at('new.arrow'), { recordBatchSize: 100 })
    const file = readFileSync(at('new.arrow'))
    const { batches } = readIpcMeta(at('new.arrow'))
    expect(batches.length).toBeGreaterThan(0)
    for (const { offset, metadataBytes } of batches) {
      file.copy(file, offset, offset + 4, offset + metadataBytes)
      file.fill(0, offset + metadataBytes - 4, offset + metadataBytes)
    }
    writeFileSync(at('old.arrow'), file)
    expect((await engine.scanIpc(at('old.arrow')).collect()).toRecords()).toEqual(frame.toRecords())
  })
})
