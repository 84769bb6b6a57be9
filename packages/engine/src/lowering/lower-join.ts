/**
 * Join: the build side's pipelines end in a joinBuild sink, a pipeline of its own makes the directories, the probe
 * side's streams get a joinProbe step, and a further stream gives the spilled pairs and what is left of the build side.
 */
import { compileJoinProbe, compileJoinRows, type JoinColumn } from '@spillway/codegen'
import { type Field, findFieldIndex, isFloat, makeSchema, type Schema } from '@spillway/columnar'
import { columnsUsed, exprText, type Join, type LogicalNode, type NamedExpr, type TypedExpr } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import type {
  JoinBuildSpec,
  JoinEmits,
  JoinOutputColumn,
  JoinProbeSpec,
  JoinRole,
  JoinShape,
} from '../operators/join/join.ts'
import { estimateRows, keptRowBytes } from './estimate-rows.ts'
import { limitToBuild } from './limit-to-build.ts'
import type { Lowering } from './lower-plan.ts'
import type { PlannedFiles } from './planned-files.ts'
import { addProject, type Stream } from './stream.ts'

type Side = 'left' | 'right'

/** A semi or anti join streams its left side, unless that is so much smaller. */
const ONE_SIDED_BIAS = 2

export function lowerJoin(lowering: Lowering, node: Join): readonly Stream[] {
  const choice = chooseBuildSide(lowering.context.files, node)
  const buildSide = choice.side
  const probeSide: Side = buildSide === 'left' ? 'right' : 'left'
  // Blocking operators below the probe side run before the build side takes memory.
  const probeInput = layInput(lowering, node, probeSide)
  const buildInput = layInput(lowering, node, buildSide)
  const { shape, probeModuleKey } = compileShape(lowering, node, { build: buildInput, probe: probeInput }, buildSide)
  const { partitionBits, batchRows } = lowering.context.sizing
  // Without keys all rows match.
  const filterCounter = node.how === 'cross' ? -1 : lowering.nextFilterCounter()
  const common = { shape, partitionBits, batchRows, filterCounter }
  const sink: JoinBuildSpec = {
    kind: 'joinBuild',
    operatorId: lowering.nextOperatorId(),
    sinkId: lowering.nextSinkId(),
    ...common,
    estimatedRows: choice.rows,
    // Known when the whole plan is: see gathering-probes.ts.
    probeGathers: false,
  }
  const { sinkId } = sink
  const flow = { steps: [], isOrdered: false, isSerial: false, schema: node.schema, morselCount: 2 ** partitionBits }
  lowering.addPipelines(buildInput.streams, [{ sink, inputKind: 0, publishes: true }])
  const table = { kind: 'joinTable', operatorId: lowering.nextOperatorId(), sinkId, ...common } as const
  lowering.addPipelines([{ ...flow, source: table }], [])
  const probeId = lowering.nextSinkId()
  const probe: JoinProbeSpec = {
    kind: 'joinProbe',
    operatorId: lowering.nextOperatorId(),
    sinkId,
    probeId,
    ...common,
    moduleKey: probeModuleKey,
    inputColumns: probeInput.schema.fields.length,
    reason: choice.reason,
  }
  const pairs = { kind: 'joinPairs', operatorId: lowering.nextOperatorId(), sinkId, probeId, ...common } as const
  const probed = probeInput.streams.map((each): Stream => {
    const stream = lowering.context.joinFilters ? limitToBuild(each, probe, probeInput.keys, node.nullsEqual) : each
    return { ...stream, steps: [...stream.steps, probe], schema: node.schema, isOrdered: false }
  })
  return [...probed, { ...flow, source: pairs }]
}

interface BuildChoice {
  readonly side: Side
  readonly reason: string
  /** Rows of the build side, as far as they are known. */
  readonly rows: number | undefined
}

/** The side that takes less memory, by rows and widths; the right one when nothing is known. */
function chooseBuildSide(files: PlannedFiles, node: Join): BuildChoice {
  const rows = { left: estimateRows(files, node.left), right: estimateRows(files, node.right) }
  const text = (side: Side): string => (rows[side] === undefined ? 'unknown' : String(Math.round(rows[side])))
  const describe = (side: Side, why: string): BuildChoice => ({
    side,
    reason: `build=${side} (${why}; estimated rows: left ${text('left')}, right ${text('right')})`,
    rows: rows[side] === undefined ? undefined : Math.round(rows[side]),
  })
  if (node.buildSide !== 'auto') return describe(node.buildSide, 'as asked')
  if (rows.left === undefined || rows.right === undefined) return describe('right', 'the sizes are not known')
  const isOneSided = node.how === 'semi' || node.how === 'anti'
  const bytes = (side: Side): number => (rows[side] ?? 0) * keptRowBytes(node[side].schema, columnsOf(node, side))
  const left = bytes('left') * (isOneSided ? ONE_SIDED_BIAS : 1)
  return left < bytes('right') ? describe('left', 'the smaller one') : describe('right', 'the smaller one')
}

/** Columns of a side that keys or outputs read. */
function columnsOf(node: Join, side: Side): Set<string> {
  const keys = side === 'left' ? node.leftKeys : node.rightKeys
  const names = new Set(node.outputs.filter((output) => output.side === side).map(({ column }) => column))
  for (const key of keys) for (const name of columnsUsed(key)) names.add(name)
  return names
}

interface SideInput {
  readonly streams: readonly Stream[]
  readonly schema: Schema
  readonly keys: readonly { readonly column: number; readonly expr: TypedExpr }[]
  /** Position of an output column, by its name in the side. */
  readonly columnOf: (name: string) => number
}

/** Keys and outputs as columns of the streams. A single stream whose keys are columns is taken as it is. */
function layInput(lowering: Lowering, node: Join, side: Side): SideInput {
  const input: LogicalNode = node[side]
  const keyExprs = side === 'left' ? node.leftKeys : node.rightKeys
  const streams = lowering.lower(input)
  const [first] = streams
  assert(first !== undefined, 'a plan has at least one stream')
  const indexIn = (schema: Schema, name: string): number => {
    const index = findFieldIndex(schema, name)
    assert(index >= 0, 'a join reads columns of its inputs')
    return index
  }
  if (streams.length === 1 && keyExprs.every((expr) => expr.kind === 'column')) {
    const keys = keyExprs.map((expr) => ({
      column: expr.kind === 'column' ? indexIn(first.schema, expr.name) : -1,
      expr,
    }))
    return { streams, schema: first.schema, keys, columnOf: (name) => indexIn(first.schema, name) }
  }
  const outputs = [...new Set(node.outputs.filter((output) => output.side === side).map(({ column }) => column))]
  const positions = new Map(outputs.map((name, index) => [name, index]))
  const exprs = [
    ...keyExprs.map((expr, index): NamedExpr => ({ name: `key ${index}`, expr })),
    ...outputs.map((name): NamedExpr => {
      const field = input.schema.fields[indexIn(input.schema, name)] as Field
      return { name: `column ${name}`, expr: { kind: 'column', name, type: field.type, nullable: field.nullable } }
    }),
  ]
  const schema = makeSchema(exprs.map(({ name, expr }): Field => ({ name, type: expr.type, nullable: expr.nullable })))
  return {
    streams: streams.map((stream) => addProject(stream, exprs, schema)),
    schema,
    keys: keyExprs.map((expr, column) => ({ column, expr })),
    columnOf: (name) => keyExprs.length + (positions.get(name) ?? -1),
  }
}

function emitsOf(node: Join, buildSide: Side): Pick<JoinShape, 'emits' | 'keepsBuild' | 'keepsProbe'> {
  const { how } = node
  if (how === 'semi' || how === 'anti') {
    const role: JoinRole = buildSide === 'left' ? 'build' : 'probe'
    const emits: JoinEmits = `${role}${how === 'semi' ? 'Matched' : 'Unmatched'}`
    return { emits, keepsBuild: false, keepsProbe: false }
  }
  const keeps = (side: Side): boolean => how === 'full' || how === side
  const probeSide: Side = buildSide === 'left' ? 'right' : 'left'
  return { emits: 'pairs', keepsBuild: keeps(buildSide), keepsProbe: keeps(probeSide) }
}

/** Rows of one side: which columns are kept, and where an output column lies among the fields. */
interface SideRows {
  readonly keys: readonly JoinColumn[]
  readonly payload: readonly JoinColumn[]
  /** Position among the fields of the row: hash, keys, payload. */
  readonly fieldOf: (name: string) => number
}

function rowsOf(node: Join, side: Side, input: SideInput, isNullable: readonly boolean[]): SideRows {
  const keys = input.keys.map(({ column, expr }, index): JoinColumn => {
    return { column, type: expr.type, nullable: isNullable[index] ?? false }
  })
  const names = [...new Set(node.outputs.filter((output) => output.side === side).map(({ column }) => column))]
  // A key that is put out is kept once; but the key of a float is its canonical form.
  const keyPositions = new Map<string, number>()
  input.keys.forEach(({ expr }, index) => {
    if (expr.kind === 'column' && !isFloat(expr.type) && !keyPositions.has(expr.name))
      keyPositions.set(expr.name, index)
  })
  const keyOf = (name: string): number => keyPositions.get(name) ?? -1
  const kept = names.filter((name) => keyOf(name) < 0)
  const payload = kept.map((name): JoinColumn => {
    const field = node[side].schema.fields[findFieldIndex(node[side].schema, name)]
    assert(field !== undefined, 'an output is a column of its side')
    return { column: input.columnOf(name), type: field.type, nullable: field.nullable }
  })
  const positions = new Map(kept.map((name, index) => [name, index]))
  return {
    keys,
    payload,
    fieldOf: (name) => 1 + (keyPositions.get(name) ?? keys.length + (positions.get(name) ?? -1)),
  }
}

function compileShape(
  lowering: Lowering,
  node: Join,
  inputs: { readonly [K in JoinRole]: SideInput },
  buildSide: Side,
): { shape: JoinShape; probeModuleKey: string } {
  const { hashMask } = lowering.context
  const { nullsEqual, leftKeys, rightKeys } = node
  const probeSide: Side = buildSide === 'left' ? 'right' : 'left'
  const emits = emitsOf(node, buildSide)
  const isNullable = leftKeys.map((key, index) => key.nullable || (rightKeys[index]?.nullable ?? false))
  const sideRows = {
    build: rowsOf(node, buildSide, inputs.build, isNullable),
    probe: rowsOf(node, probeSide, inputs.probe, isNullable),
  }
  const keeps = {
    build: emits.keepsBuild || emits.emits === 'buildUnmatched',
    probe: emits.keepsProbe || emits.emits === 'probeUnmatched',
  }
  const compileRows = (role: JoinRole) => {
    const { keys, payload } = sideRows[role]
    return compileJoinRows({ keys, payload, nullsEqual, keepsNullKeys: keeps[role], hashMask })
  }
  const rows = { build: compileRows('build'), probe: compileRows('probe') }
  const compileProbe = (kept: JoinRole, keys: readonly JoinColumn[]) => {
    const { keyFields, layout } = rows[kept]
    return compileJoinProbe({ keys, keyFields, layout, nullsEqual, hashMask })
  }
  // In spilled rows the keys stand behind the hash.
  const spilledKeys = (role: JoinRole): JoinColumn[] =>
    sideRows[role].keys.map((key, index) => ({ ...key, column: 1 + index }))
  const stream = compileProbe('build', sideRows.probe.keys)
  const pairs = {
    probe: compileProbe('build', spilledKeys('probe')),
    build: compileProbe('probe', spilledKeys('build')),
  }
  for (const module of [rows.build, rows.probe, stream, pairs.probe, pairs.build]) lowering.addModule(module)
  const text = joinText(node)
  const sideShape = (role: JoinRole): JoinShape[JoinRole] => ({
    layout: rows[role].layout,
    spillSchema: rows[role].spillSchema,
    text,
    logName: 'equi-join',
    keyCount: leftKeys.length,
    hasDirectKey: rows[role].hasDirectKey,
    rangedKeys: rows[role].rangedKeys,
    moduleKey: rows[role].key,
    probeModuleKey: pairs[role].key,
  })
  const outputs = node.outputs.map(({ side, column }, index): JoinOutputColumn => {
    const role: JoinRole = side === buildSide ? 'build' : 'probe'
    const type = node.schema.fields[index]?.type
    assert(type !== undefined, 'every output of a join is a field of its schema')
    const inputColumn = role === 'probe' ? inputs.probe.columnOf(column) : -1
    return { side: role, type, inputColumn, fieldIndex: sideRows[role].fieldOf(column) }
  })
  const shape: JoinShape = {
    text,
    ...emits,
    build: sideShape('build'),
    probe: sideShape('probe'),
    outputSchema: node.schema,
    outputs,
    isForced: node.buildSide !== 'auto',
  }
  return { shape, probeModuleKey: stream.key }
}

/** `inner join(id = customer)`: for plans, logs and errors. */
function joinText({ how, leftKeys, rightKeys }: Join): string {
  const pairs = leftKeys.map((key, index) => {
    const [left, right] = [exprText(key), exprText(rightKeys[index] ?? key)]
    return left === right ? left : `${left} = ${right}`
  })
  return `${how} join(${pairs.join(', ')})`
}
