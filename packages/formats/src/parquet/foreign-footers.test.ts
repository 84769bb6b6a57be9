/** Footers and page headers as other writers leave them: what is not needed may be anything. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { SpillwayError } from '@spillway/stdx'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireChunk } from './file-meta.ts'
import { parseFooterStruct, readFileMeta } from './footer.ts'
import { makeTwinArena } from './native/chunk-twin.ts'
import { readNative } from './native/reader-twins.ts'
import {
  booleanField,
  encodeThriftStruct,
  i32Field,
  i64Field,
  structField,
  textField,
  ThriftReader,
  ThriftType,
} from './thrift.ts'
import type { ThriftField, ThriftList, ThriftStruct, ThriftValue } from './thrift.ts'

const directory = mkdtempSync(join(tmpdir(), 'spillway-foreign-footers-'))
const at = (name: string): string => join(directory, name)
const arena = makeTwinArena()
let file: Buffer
let values: string[]

const fieldOf = (struct: ThriftStruct, id: number): ThriftValue => {
  const found = struct.find((field) => field.id === id)
  if (found === undefined) throw new TypeError(`no field ${id}`)
  return found.value
}
/** The struct with another field of this id, or without it. */
const withField = (struct: ThriftStruct, id: number, field: ThriftField | undefined): ThriftStruct => [
  ...struct.filter((each) => each.id !== id),
  ...(field === undefined ? [] : [field]),
]
const list = (type: number, items: readonly ThriftValue[]): ThriftList => ({ elementType: type, items })
const structs = (items: readonly ThriftStruct[]): ThriftList => list(ThriftType.STRUCT, items)
const listOf = (id: number, value: ThriftList): ThriftField => ({ id, type: ThriftType.LIST, value })

/** Changes every column chunk of a footer. */
function changeChunks(
  footer: ThriftStruct,
  change: (chunk: ThriftStruct, column: number) => ThriftStruct,
): ThriftStruct {
  const groups = (fieldOf(footer, 4) as ThriftList).items as ThriftStruct[]
  const changed = groups.map((group) => {
    const chunks = (fieldOf(group, 1) as ThriftList).items as ThriftStruct[]
    return withField(group, 1, listOf(1, structs(chunks.map(change))))
  })
  return withField(footer, 4, listOf(4, structs(changed)))
}

const changeMeta = (footer: ThriftStruct, change: (meta: ThriftStruct) => ThriftStruct): ThriftStruct =>
  changeChunks(footer, (chunk) => withField(chunk, 3, structField(3, change(fieldOf(chunk, 3) as ThriftStruct))))

const bodyOf = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8))

/** Writes a file with this body and footer. */
function writeWith(name: string, body: Uint8Array, footer: ThriftStruct, magic = 'PAR1'): string {
  const encoded = encodeThriftStruct(footer)
  const end = Buffer.alloc(8)
  end.writeUInt32LE(encoded.length)
  end.write(magic, 4)
  writeFileSync(at(name), Buffer.concat([body, encoded, end]))
  return at(name)
}

const footerOf = (bytes: Buffer): ThriftStruct => parseFooterStruct(bytes, 'test')
const readAll = (path: string, column = 's'): string[] => readNative(arena, readFileMeta(path), column)
const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'no error'
  } catch (error) {
    if (!(error instanceof SpillwayError)) throw error
    return `${error.code}: ${error.message}`
  }
}

beforeAll(async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`copy (select 'text ' || (i % 7) as s, i::bigint as n from range(3000) t(i))
    to '${at('base.parquet')}' (format parquet, compression snappy)`)
  await connection.run(`copy (select (i * i)::bigint as n from range(3000) t(i))
    to '${at('page.parquet')}' (format parquet, compression gzip)`)
  connection.closeSync()
  instance.closeSync()
  file = readFileSync(at('base.parquet'))
  values = Array.from({ length: 3000 }, (_, row) => `text ${row % 7}`)
})
afterAll(() => rmSync(directory, { recursive: true }))

describe('footers', () => {
  it('a dictionary at offset zero is none: the first page tells', () => {
    const footer = changeMeta(footerOf(file), (meta) => {
      const dictionary = meta.find((field) => field.id === 11)
      if (dictionary === undefined) return meta
      return withField(withField(meta, 11, i64Field(11, 0)), 9, i64Field(9, Number(dictionary.value)))
    })
    expect(readAll(writeWith('zero.parquet', bodyOf(file), footer))).toEqual(values)
  })

  it('unknown and retyped fields that are not needed are passed over', () => {
    // A map { 1: true } and a UUID in fields that no version of the format has, and others where statistics stand.
    const unknown: ThriftField[] = [
      { id: 90, type: ThriftType.MAP, value: Uint8Array.of(1, 0x51, 2, 1) },
      { id: 91, type: ThriftType.UUID, value: new Uint8Array(16) },
      { id: 92, type: ThriftType.DOUBLE, value: 1.5 },
      { id: 93, type: ThriftType.SET, value: list(ThriftType.I32, [1, 2]) },
      { id: 94, type: ThriftType.MAP, value: Uint8Array.of(0) },
    ]
    const footer = changeMeta(footerOf(file), (meta) => [
      ...withField(withField(meta, 12, textField(12, 'no statistics')), 13, i32Field(13, 5)),
      ...unknown,
    ])
    const changed = [...withField(footer, 6, i64Field(6, 7)), ...unknown]
    expect(readAll(writeWith('unknown.parquet', bodyOf(file), changed))).toEqual(values)
    expect(readAll(at('unknown.parquet'), 'n').at(-1)).toBe('2999')
    const retyped = changeMeta(footerOf(file), (meta) => withField(meta, 7, textField(7, 'many')))
    const path = writeWith('retyped.parquet', bodyOf(file), retyped)
    expect(codeOf(() => readFileMeta(path))).toMatch(/^PARQUET_CORRUPT: .*field 7 is missing or of another type/)
  })

  it('a dictionary whose header parquet-mr did not count is found to its end', () => {
    const lessBy = (footer: ThriftStruct, createdBy: string): ThriftStruct => {
      const changed = changeMeta(footer, (meta) => withField(meta, 7, i64Field(7, Number(fieldOf(meta, 7)) - 14)))
      return withField(changed, 6, textField(6, createdBy))
    }
    for (const writer of ['parquet-mr', 'parquet-mr version 1.2.8 (build abc)']) {
      expect(readAll(writeWith('uncounted.parquet', bodyOf(file), lessBy(footerOf(file), writer)))).toEqual(values)
    }
    const path = writeWith('counted.parquet', bodyOf(file), lessBy(footerOf(file), 'parquet-mr version 1.12.0'))
    expect(codeOf(() => readAll(path))).toMatch(/^PARQUET_CORRUPT/)
  })

  it('encrypted columns are called so, and the others are read', () => {
    const hidden = changeChunks(footerOf(file), (chunk, column) =>
      column === 0 ? [...withField(chunk, 3, undefined), structField(8, [structField(1, [])])] : chunk,
    )
    const footer = [...hidden, structField(8, [structField(1, [])])]
    const path = writeWith('encrypted.parquet', bodyOf(file), footer)
    expect(readAll(path, 'n').at(-1)).toBe('2999')
    const meta = readFileMeta(path)
    expect(meta.leftOut).toMatchObject([{ name: 's', type: 'utf8', code: 'ENCRYPTED', file: path }])
    expect(codeOf(() => requireChunk(meta, 0, 's'))).toMatch(
      /^ENCRYPTED: Encrypted column: "s" in .*encrypted\.parquet/,
    )
    const whole = writeWith('whole.parquet', bodyOf(file), footer, 'PARE')
    expect(codeOf(() => readFileMeta(whole))).toMatch(/^ENCRYPTED: Encrypted file: the footer of .*whole\.parquet/)
  })

  it('a summary of other files says which', () => {
    const footer = changeChunks(footerOf(file), (chunk) => [...chunk, textField(1, 'part-0.parquet')])
    const path = writeWith('_metadata', bodyOf(file), footer)
    expect(codeOf(() => readFileMeta(path))).toMatch(/^UNSUPPORTED_FORMAT: Column chunks in other files .*part-0/)
  })

  it('a repeated name belongs to nobody, and the other columns are read', () => {
    const elements = (fieldOf(footerOf(file), 2) as ThriftList).items as ThriftStruct[]
    const [root = [], first = [], second = []] = elements
    const chunksTwice = changeChunks(footerOf(file), (chunk) => chunk)
    const groups = ((fieldOf(chunksTwice, 4) as ThriftList).items as ThriftStruct[]).map((group) => {
      const chunks = (fieldOf(group, 1) as ThriftList).items
      return withField(group, 1, listOf(1, list(ThriftType.STRUCT, [...chunks, chunks[1] as ThriftValue])))
    })
    const schema = [withField(root, 5, i32Field(5, 3)), first, second, second]
    const footer = withField(withField(chunksTwice, 2, listOf(2, structs(schema))), 4, listOf(4, structs(groups)))
    const path = writeWith('repeated.parquet', bodyOf(file), footer)
    expect(readAll(path)).toEqual(values)
    expect(codeOf(() => requireChunk(readFileMeta(path), 0, 'n'))).toMatch(
      /^DUPLICATE_COLUMN: Column name is repeated: "n" in .*repeated\.parquet; 2 columns .* \(int64, int64\)/,
    )
  })
})

describe('page headers', () => {
  /** The file of one page with another header and body; statistics and page indexes, which may not fit, left out. */
  function withPage(
    name: string,
    change: (header: ThriftStruct, body: Buffer) => readonly [ThriftStruct, Uint8Array],
    changeFooter = (footer: ThriftStruct): ThriftStruct => footer,
  ): string {
    const page = readFileSync(at('page.parquet'))
    const { offset, compressedBytes } = requireChunk(readFileMeta(at('page.parquet')), 0, 'n')
    const stored = page.subarray(offset, offset + compressedBytes)
    const reader = new ThriftReader(stored)
    const header = reader.readStruct()
    const [changed, body] = change(header, stored.subarray(reader.position))
    const encoded = Buffer.concat([encodeThriftStruct(changed), body])
    const footer = changeMeta(footerOf(page), (meta) => [
      ...meta.filter(({ id }) => ![6, 7, 9, 12, 13].includes(id)),
      ...[i64Field(6, 1 << 20), i64Field(7, encoded.length), i64Field(9, 4)],
    ])
    return writeWith(name, Buffer.concat([Buffer.from('PAR1'), encoded]), changeFooter(footer))
  }
  const numbers = Array.from({ length: 3000 }, (_, row) => String(row * row))

  /** A page of version 2 whose values are compressed, marked as if they were not. */
  const marked = (header: ThriftStruct, body: Buffer): readonly [ThriftStruct, Uint8Array] => {
    const plain = gunzipSync(body)
    const levelBytes = plain.readUInt32LE(0)
    const levels = plain.subarray(4, 4 + levelBytes)
    const stored = Buffer.concat([levels, gzipSync(plain.subarray(4 + levelBytes))])
    const encoding = Number(fieldOf(fieldOf(header, 5) as ThriftStruct, 2))
    const counts = [i32Field(1, 3000), i32Field(2, 0), i32Field(3, 3000), i32Field(4, encoding)]
    const page = [...counts, i32Field(5, levelBytes), i32Field(6, 0), booleanField(7, false)]
    const sizes = [i32Field(2, plain.length - 4), i32Field(3, stored.length)]
    return [[i32Field(1, 3), ...sizes, structField(8, page)], stored]
  }

  it('a page that is marked as not compressed but has two sizes is decompressed', () => {
    expect(readAll(withPage('marked.parquet', marked), 'n')).toEqual(numbers)
  })

  it('a page that is not compressed is as long as it is, whatever its other size says', () => {
    const path = withPage(
      'sizes.parquet',
      (header, body) => {
        const plain = gunzipSync(body)
        const sizes = [i32Field(2, plain.length + 100), i32Field(3, plain.length)]
        return [[...header.filter(({ id }) => id !== 2 && id !== 3), ...sizes], plain]
      },
      (footer) => changeMeta(footer, (meta) => withField(meta, 4, i32Field(4, 0))),
    )
    expect(readAll(path, 'n')).toEqual(numbers)
  })

  it('unknown fields of a header, and statistics of another type, are passed over', () => {
    const path = withPage('header.parquet', (header, body) => {
      const retyped = withField(fieldOf(header, 5) as ThriftStruct, 5, i32Field(5, 1))
      return [[...withField(header, 5, structField(5, retyped)), textField(99, 'unknown')], body]
    })
    expect(readAll(path, 'n')).toEqual(numbers)
  })
})
