/** Arrow IPC files of other times and machines are called what they are. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Builder } from 'flatbuffers'
import { afterAll, describe, expect, it } from 'vitest'
import { openIpcScan } from './open-ipc-scan.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-ipc-footers-'))
const at = (name: string): string => join(directory, name)
afterAll(() => rmSync(directory, { recursive: true }))

/** A file that has a footer alone. */
function writeFooter(name: string, version: number, endianness: number): string {
  const builder = new Builder(256)
  builder.startVector(4, 0, 4)
  const fields = builder.endVector()
  builder.startObject(4)
  builder.addFieldInt16(0, endianness, 0)
  builder.addFieldOffset(1, fields, 0)
  const schema = builder.endObject()
  builder.startObject(5)
  builder.addFieldInt16(0, version, 0)
  builder.addFieldOffset(1, schema, 0)
  builder.finish(builder.endObject())
  const footer = builder.asUint8Array()
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  writeFileSync(at(name), Buffer.concat([Buffer.from('ARROW1\0\0'), footer, length, Buffer.from('ARROW1')]))
  return at(name)
}

describe('IPC files', () => {
  it('of big-endian numbers, or of the first versions, are not called damaged', () => {
    const open = (path: string) => () => openIpcScan(path)
    expect(open(writeFooter('big.arrow', 4, 1))).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED_FORMAT',
        message: expect.stringMatching(/^Unsupported kind of Arrow file: its numbers are big-endian in .*big\.arrow/),
      }),
    )
    expect(open(writeFooter('first.arrow', 2, 0))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_FORMAT', message: expect.stringMatching(/metadata of version V3/) }),
    )
  })
})
