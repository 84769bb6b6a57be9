/**
 * Filter and projection over a batch, as one WebAssembly module.
 *
 *   filter(batch, params) → 0 | 1          narrows the batch's selection
 *   project(batch, out, params) → 0 | 1    computes the columns of `out`
 *
 * 1 means that a row raised; the input batch's error slot says which row and which expression (`sites[errorSite]`).
 * Each conjunct and each output is a loop of its own, in a function of its own, in two variants: one for batches whose
 * used columns have no nulls, one for all. A loop over all rows and one over selected rows differ as well.
 */
import { type DataType, descriptor, type Schema } from '@spillway/columnar'
import { castKernelSignatures } from '@spillway/kernels'
import type { NamedExpr, TypedExpr } from '@spillway/plan'
import { assert } from '@spillway/stdx'
import { call, type Code, i32, i64, ifElse, local, ret } from '../wasm/instructions.ts'
import { ModuleBuilder, type Signature } from '../wasm/module-builder.ts'
import { addFilterLoop } from './filter-loop.ts'
import { ExprLowering, type RaiseSite } from './lower-expr.ts'
import { type ParamBlock, ParamBlockBuilder } from './param-block.ts'
import { addOutputFunction } from './project-loop.ts'
import { columnField } from './row-code.ts'
import { columnsOf, type Ir } from './stage-ir.ts'
import { heapBytesPerRow } from './text-room.ts'

export interface StageSpec {
  readonly input: Schema
  readonly filter: TypedExpr | undefined
  /** Outputs; undefined: the module has no `project`. */
  readonly project: readonly NamedExpr[] | undefined
}

export interface CompiledModule {
  /** Equal keys have equal bytes; literals and isIn sets are not part of it. */
  readonly key: string
  /** Generated on first access, so a cached module costs no code generation. */
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly params: ParamBlock
}

export interface StageOutput {
  readonly name: string
  /** Input column that this output repeats, if it is a bare column. */
  readonly passthrough: number | undefined
  readonly type: DataType
  readonly nullable: boolean
  /** Room that computing it may take from heapCursor … heapEnd of the output batch, per row; 0: builds no string. */
  readonly heapBytesPerRow: number
}

export interface CompiledStage extends CompiledModule {
  readonly outputs: readonly StageOutput[]
  /** What raised, by `errorSite`. */
  readonly sites: readonly RaiseSite[]
  /** Bytes that the filter may need between heapCursor and heapEnd of the input batch; reused for every row. */
  readonly filterHeapBytes: number
}

/** The exports of a stage's instance. */
export interface StageExports {
  filter(batch: number, params: number): number
  project(batch: number, out: number, params: number): number
}

/** What is generated for; its JSON is the key. */
interface StageIr {
  readonly conjuncts: readonly Ir[]
  readonly outputs: readonly Ir[] | undefined
}

/** Compiles a stage. The instance imports `env.memory` and the kernels as `kernel`. */
export function compileStage(spec: StageSpec): CompiledStage {
  const params = new ParamBlockBuilder()
  const lowering = new ExprLowering(spec.input, params)
  const conjuncts = spec.filter === undefined ? [] : groupConjuncts(splitConjuncts(spec.filter), lowering)
  const outputs = spec.project?.map((named, k) => {
    lowering.output = k
    return lowering.lower(named.expr)
  })
  const stage: StageIr = { conjuncts, outputs }
  let bytes: Uint8Array<ArrayBuffer> | undefined
  return {
    key: `stage:${JSON.stringify(stage)}`,
    get bytes() {
      bytes ??= generateModule(stage)
      return bytes
    },
    params: params.build(),
    outputs: (spec.project ?? []).map((named, k) => describeOutput(named, outputs?.[k])),
    sites: lowering.sites,
    filterHeapBytes: conjuncts.reduce((most, node) => Math.max(most, heapBytesPerRow(node)), 0),
  }
}

function describeOutput(named: NamedExpr, node: Ir | undefined): StageOutput {
  assert(node !== undefined, 'every output is lowered')
  return {
    name: named.name,
    passthrough: node.kind === 'column' ? node.index : undefined,
    type: named.expr.type,
    nullable: named.expr.nullable,
    heapBytesPerRow: heapBytesPerRow(node),
  }
}

/** a and (b and c) → [a, b, c]: a filter keeps only rows for which all are true. */
function splitConjuncts(expr: TypedExpr): TypedExpr[] {
  if (expr.kind === 'binary' && expr.op === 'and') return [...splitConjuncts(expr.left), ...splitConjuncts(expr.right)]
  return [expr]
}

/** Up to this cost, conjuncts share a loop without branches. */
const FUSED_COST = 8

/**
 * Cheap neighbours that cannot raise are fused into one loop; any other conjunct gets its own loop over what is left.
 * The user's order is kept, so what may raise is reached by the same rows.
 */
function groupConjuncts(conjuncts: readonly TypedExpr[], lowering: ExprLowering): Ir[] {
  const groups: Ir[] = []
  for (const node of conjuncts.map((expr) => lowering.lower(expr))) {
    const last = groups.at(-1)
    const fuses = last !== undefined && !last.mayRaise && !node.mayRaise && last.cost + node.cost <= FUSED_COST
    if (!fuses) {
      groups.push(node)
      continue
    }
    const cost = last.cost + node.cost
    groups[groups.length - 1] = {
      kind: 'binary',
      op: 'and',
      left: last,
      right: node,
      site: -1,
      type: node.type,
      mayRaise: false,
      cost,
    }
  }
  return groups
}

const filterSignature: Signature = { params: ['i32', 'i32'], results: ['i32'] }
const projectSignature: Signature = { params: ['i32', 'i32', 'i32'], results: ['i32'] }

/** Generates twice: first to learn which kernels are called, since imports come before functions. */
function generateModule(stage: StageIr): Uint8Array<ArrayBuffer> {
  const wanted = new Set<string>()
  writeModule(stage, new ModuleBuilder(), (name) => {
    wanted.add(name)
    return 0
  })
  const module = new ModuleBuilder()
  const indices = new Map<string, number>()
  for (const name of [...wanted].sort()) {
    const signature = (castKernelSignatures as Readonly<Record<string, Signature>>)[name]
    assert(signature !== undefined, `kernel ${name} has a signature`)
    indices.set(name, module.importKernel(name, signature))
  }
  writeModule(stage, module, (name) => indices.get(name) ?? 0)
  return module.encode()
}

function writeModule(stage: StageIr, module: ModuleBuilder, kernel: (name: string) => number): void {
  if (stage.conjuncts.length > 0) writeFilter(stage.conjuncts, module, kernel)
  if (stage.outputs !== undefined) writeProject(stage.outputs, module, kernel)
}

/** 1 if any of the columns has a validity buffer. */
export function anyValidity(batch: number, columns: readonly number[]): Code {
  return columns.reduce<Code>(
    (sum, index) => i32.or(sum, i32.load(local.get(batch), columnField(index, 'validity'))),
    i32.const(0),
  )
}

function writeFilter(conjuncts: readonly Ir[], module: ModuleBuilder, kernel: (name: string) => number): void {
  const loops = conjuncts.map((node, k) => ({
    columns: columnsOf(node),
    // Only the first loop can meet a batch without selection.
    dense: k === 0 ? [false, true].map((withNulls) => addFilterLoop(module, node, kernel, false, withNulls)) : [],
    selected: [false, true].map((withNulls) => addFilterLoop(module, node, kernel, true, withNulls)),
  }))
  const builder = module.addFunction(filterSignature, 'filter')
  const [batch, params] = [0, 1]
  const [selection, count, rowCount] = [builder.local('i32'), builder.local('i32'), builder.local('i32')]
  const buffer = i32.load(local.get(batch), descriptor.selectionBuffer)
  const run = (functions: readonly number[], columns: readonly number[]): Code => {
    const operands = [local.get(batch), local.get(params), local.get(selection), local.get(count)]
    const [fast, general] = functions
    assert(fast !== undefined && general !== undefined, 'a filter loop has two variants')
    return ifElse(
      anyValidity(batch, columns),
      local.set(count, call(general, ...operands)),
      local.set(count, call(fast, ...operands)),
    )
  }
  const leaveOnRaise = ifElse(i32.eq(local.get(count), i32.const(-1)), ret(i32.const(1)))
  builder.emit(
    local.set(selection, i32.load(local.get(batch), descriptor.selection)),
    local.set(count, i32.load(local.get(batch), descriptor.selectionCount)),
    local.set(rowCount, i32.load(local.get(batch), descriptor.rowCount)),
  )
  loops.forEach((loop, k) => {
    const selected = run(loop.selected, loop.columns)
    builder.emit(
      k === 0 ? ifElse(local.get(selection), selected, run(loop.dense, loop.columns)) : selected,
      leaveOnRaise,
      local.set(selection, buffer),
    )
  })
  const kept = i32.eq(local.get(count), local.get(rowCount))
  const wasDense = i32.eqz(i32.load(local.get(batch), descriptor.selection))
  builder.emit(
    ifElse(i32.and(kept, wasDense), ret(i32.const(0))),
    i32.store(local.get(batch), buffer, descriptor.selection),
    i32.store(local.get(batch), local.get(count), descriptor.selectionCount),
    i32.const(0),
  )
}

function writeProject(outputs: readonly Ir[], module: ModuleBuilder, kernel: (name: string) => number): void {
  const functions = outputs.map((node, k) => addOutputFunction(module, node, k, kernel))
  const builder = module.addFunction(projectSignature, 'project')
  const [batch, out, params] = [0, 1, 2]
  for (const index of functions) {
    const raised = call(index, local.get(batch), local.get(out), local.get(params))
    builder.emit(ifElse(raised, ret(i32.const(1))))
  }
  const count = i32.load(local.get(batch), descriptor.selectionCount)
  builder.emit(
    i32.store(local.get(out), count, descriptor.rowCount),
    i32.store(local.get(out), count, descriptor.selectionCount),
    i32.store(local.get(out), i32.const(0), descriptor.selection),
    i64.store(local.get(out), i64.load(local.get(batch), descriptor.ordinal), descriptor.ordinal),
    i32.const(0),
  )
}
