/** A writer that shares no code with ours nor with parquet-wasm: hyparquet-writer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeExactReader } from '@spillway/columnar'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, expect, it } from 'vitest'
import { ParquetDecoder } from './testing/decoder.ts'
import { readFileMeta } from './footer.ts'
import { parquetWasmModule } from './testing/wasm-module.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-third-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const ROWS = 300
const rows = Array.from({ length: ROWS }, (_, row) => ({
  id: row * 7 - 100,
  big: BigInt(row) * 10_000_000_000n,
  price: row / 7,
  name: row % 5 === 0 ? null : `n${row % 23}`,
  flag: row % 3 === 0,
}))

function writeForeignFile(): string {
  const path = join(directory, 'foreign.parquet')
  const column = <K extends keyof (typeof rows)[number]>(name: K) => rows.map((row) => row[name])
  const columnData = [
    { name: 'id', data: column('id'), type: 'INT32' as const },
    { name: 'big', data: column('big'), type: 'INT64' as const },
    { name: 'price', data: column('price'), type: 'DOUBLE' as const },
    { name: 'name', data: column('name'), type: 'STRING' as const },
    { name: 'flag', data: column('flag'), type: 'BOOLEAN' as const },
  ]
  writeFileSync(path, new Uint8Array(parquetWriteBuffer({ columnData })))
  return path
}

it('reads what hyparquet-writer wrote', async () => {
  const path = writeForeignFile()
  const meta = readFileMeta(path)
  const decoder = new ParquetDecoder(await parquetWasmModule())
  const names = meta.schema.fields.map(({ name }) => name)
  expect(names).toEqual(Object.keys(rows[0] ?? {}))
  const read: Record<string, unknown>[] = []
  const decoded = decoder.decode(path, meta, 0, names, 64)
  for (const batch of decoded.batches) {
    const readers = batch.columns.map(makeExactReader)
    for (let row = 0; row < batch.rowCount; row++) {
      read.push(Object.fromEntries(names.map((name, index) => [name, readers[index]?.(row)])))
    }
  }
  decoded.free()
  expect(read).toEqual(rows)
})
