/** Pruning never loses a row (judged by DuckDB over a table, without statistics) and does skip what it can. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DataType } from '@spillway/columnar'
import type { BinaryOp, LiteralValue, TypedExpr, UnaryOp } from '@spillway/plan'
import { readParquet, writeParquet, WriterPropertiesBuilder } from 'parquet-wasm/esm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ParquetFileMeta } from '../file-meta.ts'
import { readFileMeta } from '../footer.ts'
import { testTable, writeTestTable } from '../native-writer/write-test-table.ts'
import { pruneScan } from './prune-scan.ts'
import { readStatistics } from '../statistics.ts'
import { booleanField, ThriftType } from '../thrift.ts'
import type { ThriftField } from '../thrift.ts'
import { openParquetWasm } from '../testing/codec-memory.ts'
import { parquetWasmModule } from '../testing/wasm-module.ts'

const GROUP_ROWS = 2048
const GROUPS = 6
const directory = mkdtempSync(join(tmpdir(), 'spillway-prune-'))
const instance = await DuckDBInstance.create(':memory:')
const duckdb = await instance.connect()
let meta: ParquetFileMeta

// Group g holds values around 100·g; group 3 of x also NaN; group 4 of n is all null, group 5 of n has no null.
const table = `
  select (i // ${GROUP_ROWS})::integer as g, (g * 100 + i % 90)::integer as n0,
    case when g = 4 or (g < 4 and i % 10 = 1) then null else n0 end as n,
    n0::bigint as l, (n0 + 3000000000)::uinteger as u,
    case when g = 3 and i % 100 = 7 then 'nan'::double else n0 / 2.0::double end as x,
    (case when g = 2 then -0.0 else g end)::float as f,
    case when g = 0 then 'a' when g = 1 then 'ä' when g = 2 then '🌍' else 'b' || n0 end as s,
    (n0 / 4.0)::decimal(12, 2) as c, (n0 / 4.0)::decimal(30, 2) as c30, date '2000-01-01' + n0 as d,
    timestamp '2000-01-01 00:00:00' + to_milliseconds(n0::bigint * 43200001) as t,
    case when g = 0 then true when g = 1 then false when g = 4 then null else i % 2 = 0 end as b
  from range(${GROUP_ROWS * GROUPS}) r(i)`

beforeAll(async () => {
  await duckdb.run(`create table rows as ${table}`)
  const path = join(directory, 'groups.parquet')
  await duckdb.run(`copy rows to '${path}' (format parquet, row_group_size ${GROUP_ROWS})`)
  meta = readFileMeta(path)
  expect(meta.rowGroups).toHaveLength(GROUPS)
})
afterAll(() => {
  duckdb.closeSync()
  rmSync(directory, { recursive: true })
})

const boolean: DataType = { kind: 'boolean' }
const int32: DataType = { kind: 'int32' }
const int64: DataType = { kind: 'int64' }
const float64: DataType = { kind: 'float64' }

const column = (name: string): TypedExpr => {
  const field = meta.schema.fields.find((candidate) => candidate.name === name)
  if (field === undefined) throw new Error(`no column ${name}`)
  return { kind: 'column', name, type: field.type, nullable: true }
}
const literal = (value: LiteralValue, type: DataType): TypedExpr => ({
  kind: 'literal',
  value,
  type,
  nullable: value === null,
})
const binary = (op: BinaryOp, left: TypedExpr, right: TypedExpr): TypedExpr => ({
  kind: 'binary',
  op,
  left,
  right,
  type: boolean,
  nullable: true,
})
const unary = (op: UnaryOp, operand: TypedExpr): TypedExpr => ({
  kind: 'unary',
  op,
  operand,
  type: boolean,
  nullable: true,
})
const cast = (operand: TypedExpr, type: DataType): TypedExpr => ({
  kind: 'cast',
  operand,
  type,
  strict: true,
  nullable: true,
})
const isIn = (operand: TypedExpr, values: readonly LiteralValue[]): TypedExpr => ({
  kind: 'isIn',
  operand,
  values,
  type: boolean,
  nullable: true,
})

/** Groups kept, as text: `.` where skipped. */
const kept = (predicate: TypedExpr): string =>
  pruneScan(meta, predicate)
    .map((ranges, index) => (ranges.length > 0 ? String(index) : '.'))
    .join('')

describe('skips exactly the groups that cannot match', () => {
  it('integers', () => {
    const n0 = column('n0')
    expect(kept(binary('lt', n0, literal(100, int32)))).toBe('0.....')
    expect(kept(binary('le', n0, literal(100, int32)))).toBe('01....')
    expect(kept(binary('gt', n0, literal(489, int32)))).toBe('.....5')
    expect(kept(binary('ge', n0, literal(489, int32)))).toBe('....45')
    expect(kept(binary('eq', n0, literal(195, int32)))).toBe('......')
    expect(kept(binary('ne', n0, literal(195, int32)))).toBe('012345')
    expect(kept(binary('gt', literal(100, int32), n0))).toBe('0.....')
    expect(kept(isIn(n0, [5, 195, 550]))).toBe('0....5')
    expect(kept(binary('eq', column('g'), n0))).toBe('0.....')
    expect(kept(binary('ne', column('g'), literal(3, int32)))).toBe('012.45')
    expect(kept(unary('not', binary('eq', column('g'), literal(3, int32))))).toBe('012.45')
    expect(kept(binary('gt', column('u'), literal(3_000_000_489, { kind: 'uint32' })))).toBe('.....5')
  })

  it('nulls', () => {
    expect(kept(unary('isNull', column('n')))).toBe('01234.')
    expect(kept(unary('isNotNull', column('n')))).toBe('0123.5')
    expect(kept(binary('ge', column('n'), literal(0, int32)))).toBe('0123.5')
    expect(kept(unary('not', binary('ge', column('n'), literal(0, int32))))).toBe('......')
    expect(kept(binary('eq', column('n'), literal(null, int32)))).toBe('......')
  })

  it('floats whose statistics hide a NaN, as most writers leave them', async () => {
    const path = join(directory, 'nan.parquet')
    const values = Array.from({ length: 90 }, (_, row) => (row % 9 === 4 ? Number.NaN : 150 + row / 2))
    writeTestTable(path, testTable([[{ name: 'x', type: float64, nullable: true }, values]]))
    const nanMeta = readFileMeta(path)
    expect(nanMeta.rowGroups[0]?.chunks['x']).toMatchObject({ min: 150, max: 194.5 })
    const x = column('x')
    const keeps = (op: BinaryOp, value: number) =>
      (pruneScan(nanMeta, binary(op, x, literal(value, float64)))[0]?.length ?? 0) > 0
    expect(['gt', 'ge', 'ne'].map((op) => keeps(op as BinaryOp, 1e9))).toEqual([true, true, true])
    expect(keeps('eq', NaN)).toBe(true)
    expect(keeps('ge', NaN)).toBe(true)
    expect(['lt', 'eq', 'le'].map((op) => keeps(op as BinaryOp, 149))).toEqual([false, false, false])
    expect(keeps('eq', 1e9)).toBe(false)
    expect(keeps('gt', NaN)).toBe(false)
  })

  it('floats keep NaN: never skipped on the upper bound', () => {
    const x = column('x')
    expect(kept(binary('gt', x, literal(1e9, float64)))).toBe('012345')
    expect(kept(binary('ge', x, literal(Infinity, float64)))).toBe('012345')
    expect(kept(binary('ne', x, literal(1e9, float64)))).toBe('012345')
    expect(kept(binary('eq', x, literal(NaN, float64)))).toBe('012345')
    expect(kept(unary('not', binary('le', x, literal(1e9, float64))))).toBe('012345')
    expect(kept(isIn(x, [NaN]))).toBe('012345')
    expect(kept(binary('lt', x, literal(50, float64)))).toBe('0..3..')
    expect(kept(binary('eq', x, literal(1e9, float64)))).toBe('...3..')
    expect(kept(binary('lt', x, literal(NaN, float64)))).toBe('012345')
    expect(kept(binary('gt', x, literal(NaN, float64)))).toBe('......')
    expect(kept(binary('eq', column('f'), literal(0, { kind: 'float32' })))).toBe('0.2...')
    expect(kept(binary('gt', cast(column('f'), float64), literal(100, float64)))).toBe('012345')
    expect(kept(binary('gt', cast(column('n0'), float64), literal(489.5, float64)))).toBe('.....5')
  })

  it('text by bytes, decimals, times, booleans, casts', () => {
    const utf8: DataType = { kind: 'utf8' }
    expect(kept(binary('eq', column('s'), literal('🌍', utf8)))).toBe('..2...')
    expect(kept(binary('gt', column('s'), literal('z', utf8)))).toBe('.12...')
    expect(kept(binary('lt', column('s'), literal('b4', utf8)))).toBe('0..3..')
    for (const [name, precision] of [
      ['c', 12],
      ['c30', 30],
    ] as const) {
      const type: DataType = { kind: 'decimal', precision, scale: 2 }
      expect(kept(binary('ge', column(name), literal(12225n, type)))).toBe('....45')
      const wider: DataType = { kind: 'decimal', precision: 38, scale: 4 }
      expect(kept(binary('gt', cast(column(name), wider), literal(1222500n, wider)))).toBe('.....5')
    }
    expect(kept(binary('lt', column('d'), literal(10957 + 100, { kind: 'date' })))).toBe('0.....')
    const us: DataType = { kind: 'timestamp', unit: 'us', timezone: undefined }
    const start = 946684800000000n
    expect(kept(binary('lt', column('t'), literal(start + 100n * 43200001000n, us)))).toBe('0.....')
    expect(kept(binary('le', cast(column('d'), us), literal(start, us)))).toBe('0.....')
    expect(kept(column('b'))).toBe('0.23.5')
    expect(kept(unary('not', column('b')))).toBe('.123.5')
    expect(kept(binary('lt', cast(column('n0'), int64), literal(100n, int64)))).toBe('0.....')
    expect(kept(binary('lt', cast(column('l'), int32), literal(100, int32)))).toBe('0.....')
    expect(kept(binary('lt', cast(column('n0'), { kind: 'int8' }), literal(-100, { kind: 'int8' })))).toBe('.12345')
  })

  it('what it cannot judge is kept', () => {
    const sum: TypedExpr = {
      kind: 'binary',
      op: 'add',
      left: column('n0'),
      right: column('n0'),
      type: int32,
      nullable: false,
    }
    expect(kept(binary('lt', sum, literal(-1, int32)))).toBe('012345')
    const filled: TypedExpr = {
      kind: 'fillNull',
      operand: column('n'),
      fill: literal(9, int32),
      type: int32,
      nullable: false,
    }
    expect(kept(binary('eq', filled, literal(9, int32)))).toBe('012345')
  })
})

describe('random predicates', () => {
  let seed = 20260101
  const random = (limit: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * limit)
  }
  const operators = { eq: '=', ne: '<>', lt: '<', le: '<=', gt: '>', ge: '>=' } as const
  const ops = Object.keys(operators) as (keyof typeof operators)[]

  /** A predicate and its SQL. */
  function makePredicate(depth: number): [TypedExpr, string] {
    const pick = random(depth > 0 ? 8 : 5)
    if (pick >= 6) {
      const [left, leftSql] = makePredicate(depth - 1)
      const [right, rightSql] = makePredicate(depth - 1)
      const op = pick === 6 ? 'and' : 'or'
      return [binary(op, left, right), `(${leftSql} ${op} ${rightSql})`]
    }
    if (pick === 5) {
      const [operand, sql] = makePredicate(depth - 1)
      return [unary('not', operand), `(not ${sql})`]
    }
    if (pick === 0) {
      const name = ['n', 'x', 's', 'b'][random(4)] ?? 'n'
      const op = random(2) === 0 ? 'isNull' : 'isNotNull'
      return [unary(op, column(name)), `(${name} is ${op === 'isNull' ? '' : 'not '}null)`]
    }
    const op = ops[random(ops.length)] ?? 'eq'
    if (pick === 1) {
      const value = random(3) === 0 ? NaN : random(650) / 2
      return [binary(op, column('x'), literal(value, float64)), `(x ${operators[op]} '${value}'::double)`]
    }
    const value = random(700) - 50
    if (pick === 2) return [binary(op, column('n'), literal(value, int32)), `(n ${operators[op]} ${value})`]
    if (pick === 3) return [isIn(column('n'), [value, value + 90]), `(n in (${value}, ${value + 90}))`]
    return [binary(op, cast(column('n'), float64), column('x')), `(n ${operators[op]} x)`]
  }

  it('lose no row', async () => {
    const predicates = Array.from({ length: 400 }, () => makePredicate(3))
    const list = predicates.map(([, sql], index) => `coalesce(bool_or(${sql}), false) as p${index}`).join(', ')
    const truth = (await duckdb.runAndReadAll(`select ${list} from rows group by g order by g`)).getRows()
    let skipped = 0
    for (const [index, [predicate, sql]] of predicates.entries()) {
      const keep = pruneScan(meta, predicate).map((ranges) => ranges.length > 0)
      for (let group = 0; group < GROUPS; group++) {
        if (keep[group] === true) continue
        skipped++
        expect(truth[group]?.[index], `${sql} in group ${group}`).toBe(false)
      }
    }
    expect(skipped).toBeGreaterThan(200)
  })

  it('lose no row within a row group, by its page index', async () => {
    openParquetWasm(await parquetWasmModule())
    const source = join(directory, 'pages-source.parquet')
    await duckdb.run(`copy rows to '${source}' (format parquet)`)
    const table = readParquet(new Uint8Array(readFileSync(source)))
    const properties = new WriterPropertiesBuilder()
      .setDataPageSizeLimit(2_000)
      .setWriteBatchSize(200)
      .setDictionaryEnabled(false)
      .build()
    const path = join(directory, 'pages.parquet')
    writeFileSync(path, writeParquet(table, properties))
    const paged = readFileMeta(path)
    expect(paged.rowGroups).toHaveLength(1)
    const predicates = Array.from({ length: 200 }, () => makePredicate(3))
    let skipped = 0
    for (const [predicate, sql] of predicates) {
      const ranges = pruneScan(paged, predicate)[0] ?? []
      const numbered = '(select row_number() over () - 1 as i, * from rows)'
      const isKept = ranges.map(({ start, rows }) => `i between ${start} and ${start + rows - 1}`).join(' or ')
      const lost = await duckdb.runAndReadAll(
        `select count(*) from ${numbered} where (${sql}) and not (${isKept || 'false'})`,
      )
      expect(lost.getRows()[0]?.[0], sql).toBe(0n)
      skipped += GROUP_ROWS * GROUPS - ranges.reduce((sum, { rows }) => sum + rows, 0)
    }
    expect(skipped).toBeGreaterThan(200 * GROUP_ROWS)
  })

  it('lose no value that a Bloom filter holds, and skip others', async () => {
    const path = join(directory, 'bloom.parquet')
    await duckdb.run(`copy (select (i * 7919 % 20000)::integer as k, (i * 7919 % 20000)::bigint as l,
      'name-' || (i * 7919 % 20000) as s, date '1990-01-01' + (i * 7919 % 20000)::integer as d from range(2000) r(i))
      to '${path}' (format parquet, row_group_size 2048, dictionary_size_limit 100000)`)
    const bloomed = readFileMeta(path)
    expect(bloomed.rowGroups[0]?.chunks.k?.bloomFilter).toBeDefined()
    const present = new Set(Array.from({ length: 2000 }, (_, i) => (i * 7919) % 20_000))
    const types: Record<string, DataType> = { k: int32, l: int64, s: { kind: 'utf8' }, d: { kind: 'date' } }
    const skipped: Record<string, number> = { k: 0, l: 0, s: 0, d: 0 }
    for (let value = 1; value < 20_000; value += 13) {
      const literals: Record<string, LiteralValue> = { k: value, l: BigInt(value), s: `name-${value}`, d: value + 7305 }
      for (const [name, type] of Object.entries(types)) {
        const operand: TypedExpr = { kind: 'column', name, type, nullable: true }
        const isKept =
          (pruneScan(bloomed, binary('eq', operand, literal(literals[name] ?? null, type)))[0] ?? []).length > 0
        if (present.has(value)) expect(isKept, `${name} = ${value}`).toBe(true)
        else if (!isKept) skipped[name]! += 1
      }
    }
    for (const name of Object.keys(types)) expect(skipped[name], name).toBeGreaterThan(1000)
  })
})

describe('bounds that are not to be trusted', () => {
  const bytesField = (id: number, value: Uint8Array): ThriftField => ({ id, type: ThriftType.BINARY, value })
  const number = (value: number): Uint8Array => new Uint8Array(Float64Array.of(value).buffer)
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  const storage = (physical: 'double' | 'byteArray' | 'int32') => ({ physical, typeLength: undefined, required: false })

  it('legacy bounds of text and unsigned numbers, NaN, swapped and malformed bounds', () => {
    const read = (fields: ThriftField[], type: DataType, physical: 'double' | 'byteArray' | 'int32') => {
      const { min, max } = readStatistics(fields, type, storage(physical), 10)
      return [min, max]
    }
    const legacy = (low: Uint8Array, high: Uint8Array) => [bytesField(1, high), bytesField(2, low)]
    const modern = (low: Uint8Array, high: Uint8Array) => [bytesField(5, high), bytesField(6, low)]
    expect(read(legacy(text('a'), text('b')), { kind: 'utf8' }, 'byteArray')).toEqual([undefined, undefined])
    expect(read(modern(text('a'), text('b')), { kind: 'utf8' }, 'byteArray')).toEqual([text('a'), text('b')])
    const four = new Uint8Array(4)
    expect(read(legacy(four, four), { kind: 'uint32' }, 'int32')).toEqual([undefined, undefined])
    expect(read(legacy(four, four), { kind: 'int32' }, 'int32')).toEqual([0n, 0n])
    expect(read(modern(number(NaN), number(1)), float64, 'double')).toEqual([undefined, 1])
    expect(read(modern(number(2), number(1)), float64, 'double')).toEqual([undefined, undefined])
    expect(read(modern(text('abc'), number(1)), float64, 'double')).toEqual([undefined, 1])
    expect(read(modern(text('b'), text('a')), { kind: 'utf8' }, 'byteArray')).toEqual([undefined, undefined])
  })

  it('tells which bounds are values', () => {
    const fields = [bytesField(5, text('b')), bytesField(6, text('a')), booleanField(7, false), booleanField(8, true)]
    expect(readStatistics(fields, { kind: 'utf8' }, storage('byteArray'), 10)).toMatchObject({
      minExact: true,
      maxExact: false,
    })
    expect(readStatistics(fields.slice(0, 2), { kind: 'utf8' }, storage('byteArray'), 10)).toMatchObject({
      minExact: false,
    })
  })
})
