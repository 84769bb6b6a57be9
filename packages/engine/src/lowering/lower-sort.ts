/**
 * Sort: a sink, and the stream of its merged rows. Keys become columns: those that are computed are added behind the
 * input's columns and are no part of the output.
 */
import { type CompiledSort, compileSort, type SortKeyColumn } from '@spillway/codegen'
import { type Field, findFieldIndex, makeSchema } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import { type NamedExpr, type Sort, sortKeyText } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import {
  PIECE_PAGES_LEAST,
  RANGES_MAX,
  type SortOutputSpec,
  type SortShape,
  type SortSinkSpec,
  type SortSizes,
} from '../operators/sort/sort.ts'
import type { Sizing } from '../physical/physical-plan.ts'
import type { Lowering } from './lower-plan.ts'
import { boundScan } from './bound-scan.ts'
import { addProject, addSelection, type Stream } from './stream.ts'

export function lowerSort(lowering: Lowering, node: Sort): Stream {
  const { streams, keys, input } = layInput(lowering, node)
  const { sizing, sortFanIn, files } = lowering.context
  const compiled = compileSort({ input, outputCount: node.schema.fields.length, keys })
  lowering.addModule(compiled)
  const shape: SortShape = {
    moduleKey: compiled.key,
    layout: compiled.layout,
    spillSchema: compiled.spillSchema,
    outputSchema: compiled.outputSchema,
    text: `sort(${node.keys.map(sortKeyText).join(', ')})`,
  }
  const sizes = sizesOf(sizing, compiled)
  const boundCounter = node.limit === undefined ? -1 : lowering.nextTopCounter()
  const bounded = streams.map((stream) => boundScan(files, stream, node, { input, outputCount: 0, keys }, boundCounter))
  const isInOrder = bounded.every((stream, index) => stream === streams[index])
  const sink: SortSinkSpec = {
    kind: 'sort',
    operatorId: lowering.nextOperatorId(),
    sinkId: lowering.nextSinkId(),
    shape,
    sizes,
    fanIn: sortFanIn,
    top: node.limit === undefined ? undefined : { limit: node.limit, boundCounter, isInOrder },
  }
  lowering.addPipelines(bounded, [{ sink, inputKind: 0, publishes: true }])
  const source: SortOutputSpec = {
    kind: 'sortOutput',
    operatorId: lowering.nextOperatorId(),
    sinkId: sink.sinkId,
    shape,
    sizes,
    rangeRows: sizing.morselRows,
  }
  return {
    source,
    morselCount: RANGES_MAX,
    steps: [],
    schema: node.schema,
    isOrdered: true,
    isSerial: false,
  }
}

/** The input's streams with a column for each key. */
function layInput(lowering: Lowering, node: Sort) {
  const columns = node.schema.fields.map((field): NamedExpr => {
    const { name, type, nullable } = field
    return { name, expr: { kind: 'column', name, type, nullable } }
  })
  const computed: NamedExpr[] = []
  const keys = node.keys.map(({ expr, descending, nullsLast }): SortKeyColumn => {
    if (expr.kind === 'column') {
      const column = findFieldIndex(node.schema, expr.name)
      assert(column >= 0, 'a sort reads columns of its input')
      return { column, descending, nullsLast }
    }
    computed.push({ name: freeName(node, computed.length), expr })
    return { column: columns.length + computed.length - 1, descending, nullsLast }
  })
  const streams = lowering.lower(node.input)
  if (computed.length === 0) {
    return { streams: streams.map((stream) => addSelection(stream, node.schema)), keys, input: node.schema }
  }
  const added = computed.map(({ name, expr }): Field => ({ name, type: expr.type, nullable: expr.nullable }))
  const input = makeSchema([...node.schema.fields, ...added])
  return { streams: streams.map((stream) => addProject(stream, [...columns, ...computed], input)), keys, input }
}

/** A name that no column has. */
function freeName(node: Sort, index: number): string {
  let name = `sort key ${index}`
  while (findFieldIndex(node.schema, name) >= 0) name = `${name}'`
  return name
}

const CHUNK_BITS_MAX = 17
const CHUNK_BITS_MIN = 12
const BLOCK_ROWS_MAX = 8192
const BLOCK_ROWS_MIN = 1024
const LEAST_PLACES = 8

/** A block is so large that metadata and padding, which each of its columns has, are the smaller part of it. */
const PIECE_BYTES_PER_COLUMN = 1024
/** Of longer rows a block has no more than its bytes have room for. */
const NARROW_ROW_BYTES = 1024
const WIDE_BLOCK_ROWS_LEAST = 8

function sizesOf(sizing: Sizing, { layout, spillSchema }: CompiledSort): SortSizes {
  const { directoryBits, batchRows, threads } = sizing
  const wanted = directoryBits >= 16 ? 768 << 10 : directoryBits >= 14 ? 256 << 10 : 128 << 10
  const leastPieceBytes = Math.max(PIECE_PAGES_LEAST * PAGE_BYTES, spillSchema.fields.length * PIECE_BYTES_PER_COLUMN)
  const pieceBytes = Math.max(wanted, leastPieceBytes)
  const rowsMax = Math.min(BLOCK_ROWS_MAX, Math.max(BLOCK_ROWS_MIN, batchRows))
  const isNarrow = layout.rowBytes <= NARROW_ROW_BYTES
  const fitting = isNarrow ? rowsMax : Math.max(WIDE_BLOCK_ROWS_LEAST, Math.floor(pieceBytes / layout.rowBytes))
  return {
    chunkRows: 2 ** Math.min(CHUNK_BITS_MAX, Math.max(CHUNK_BITS_MIN, directoryBits)),
    blockRows: Math.min(rowsMax, fitting),
    pieceBytes,
    leastPieceBytes,
    batchRows,
    // Two of the largest blocks at least: with them any number of runs can be merged, in passes.
    placePages: Math.max((threads * 2 + LEAST_PLACES) * PIECE_PAGES_LEAST, Math.ceil((2 * pieceBytes) / PAGE_BYTES)),
  }
}
