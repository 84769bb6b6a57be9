/**
 * `min`, `max`, `count` and `len` of whole Parquet files from their footers: no page is read.
 *
 * Only where the footer is certain: bounds that are values of the column (shortened text is not), null counts that are
 * there, and never bounds of floats (statistics leave NaN out and do not tell -0 from 0).
 */
import { isFloat, typeEquals } from '@spillway/columnar'
import type { ParquetChunk, ParquetFileMeta, StatisticsBound } from '@spillway/formats'
import type { GeneratedColumn, GroupBy, LiteralValue, NamedAggregate, TypedExpr } from '@spillway/plan'
import type { Lowering } from './lower-plan.ts'
import type { Stream } from './stream.ts'

/** A stream of the one row that `node` asks for, or undefined when the data must be read. */
export function answerFromStatistics(lowering: Lowering, node: GroupBy): Stream | undefined {
  // A count that the footer knows needs no share in anybody's scan.
  const scan = node.input.kind === 'shared' ? node.input.own : node.input
  if (node.keys.length > 0 || scan.kind !== 'scanParquet') return undefined
  if (scan.predicate !== undefined || scan.slice !== undefined) return undefined
  const metas = scan.files.map((path) => lowering.context.files.parquet(path))
  const columns: GeneratedColumn[] = []
  for (const aggregate of node.aggregates) {
    const value = answer(metas, aggregate)
    if (value === undefined) return undefined
    columns.push({ kind: 'repeat', name: aggregate.name, value, type: aggregate.type })
  }
  return {
    source: {
      kind: 'generate',
      operatorId: lowering.nextOperatorId(),
      label: 'PARQUET STATISTICS',
      schema: node.schema,
      columns,
      offset: 0,
      rowCount: 1,
      morselRows: 1,
      batchRows: 1,
    },
    morselCount: 1,
    steps: [],
    schema: node.schema,
    isOrdered: true,
    isSerial: false,
  }
}

/** The aggregate's value; undefined when statistics do not tell. */
function answer(
  metas: readonly ParquetFileMeta[],
  { function: name, operand }: NamedAggregate,
): LiteralValue | undefined {
  const rowCount = metas.reduce((sum, meta) => sum + meta.rowCount, 0)
  if (name === 'len') return BigInt(rowCount)
  if (operand?.kind !== 'column') return undefined
  const chunks = metas.flatMap((meta) =>
    meta.rowGroups.filter((group) => group.rowCount > 0).map((group) => group.chunks[operand.name]),
  )
  const known = chunks.filter((chunk) => chunk !== undefined && typeEquals(chunk.type, operand.type)) as ParquetChunk[]
  if (known.length < chunks.length || known.some((chunk) => chunk.nullCount === undefined)) return undefined
  const nulls = known.reduce((sum, chunk) => sum + (chunk.nullCount ?? 0), 0)
  switch (name) {
    case 'count':
      return BigInt(rowCount - nulls)
    case 'min':
    case 'max':
      return isFloat(operand.type) ? undefined : extreme(name, known, operand)
    default:
      return undefined
  }
}

function extreme(name: 'min' | 'max', chunks: readonly ParquetChunk[], { type }: TypedExpr): LiteralValue | undefined {
  let best: StatisticsBound | undefined
  for (const chunk of chunks) {
    if (chunk.nullCount === chunk.valueCount) continue
    const isExact = name === 'min' ? chunk.minExact : chunk.maxExact
    const bound = chunk[name]
    if (!isExact || bound === undefined) return undefined
    if (best === undefined || isBefore(name, bound, best)) best = bound
  }
  if (best === undefined) return null
  if (best instanceof Uint8Array) return type.kind === 'utf8' ? decodeText(best) : undefined
  if (type.kind === 'boolean') return best !== 0n
  const isWide = ['int64', 'uint64', 'timestamp', 'decimal'].includes(type.kind)
  return isWide ? BigInt(best) : Number(best)
}

function isBefore(name: 'min' | 'max', a: StatisticsBound, b: StatisticsBound): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) < 0 === (name === 'min')
  return name === 'min' ? a < b : a > b
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
