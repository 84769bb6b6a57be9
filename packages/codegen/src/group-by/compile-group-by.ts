/**
 * Compiles a group-by to a WebAssembly module: one function per step of GroupByExports, made for its keys and
 * aggregates. The sink drives them through GroupTable.
 */
import { physicalOf, typeName } from '@spillway/columnar'
import { spillSchemaOf } from '../rows/row-layout.ts'
import { addLoadRows, addSpillRows, transferRow } from '../rows/move-code.ts'
import { addStoreFunctions } from '../rows/string-code.ts'
import { ModuleBuilder } from '../wasm/module-builder.ts'
import { nullWordsOf } from './aggregate-code.ts'
import { addEmit } from './emit-code.ts'
import {
  addAbsorb,
  addCreateSingle,
  addFind,
  addHash,
  addInsert,
  addPageFunction,
  type GroupModule,
} from './find-code.ts'
import { addCoded } from './coded-code.ts'
import { addFused, canFuse } from './fused-code.ts'
import { type GroupByPlan, planGroupBy } from './group-by-plan.ts'
import type { CompiledGroupBy, GroupBySpec } from './group-by-spec.ts'
import { NARROW_FIELDS_MAX } from '../rows/wide-rows.ts'
import { addWideGroupBy } from './wide-group-by.ts'
import { addCounters, addUpdate, addUpdateSingle } from './update-code.ts'

/**
 * Compiles a spec. Instantiate with { env: { memory }, kernel: kernel exports }; exports are GroupByExports.
 * @param narrowMax rows of more fields are treated by loops over their columns
 */
export function compileGroupBy(spec: GroupBySpec, narrowMax = NARROW_FIELDS_MAX): CompiledGroupBy {
  const plan = planGroupBy(spec)
  let bytes: Uint8Array<ArrayBuffer> | undefined
  return {
    key: shapeKey(spec),
    get bytes() {
      bytes ??= generateModule(plan, narrowMax)
      return bytes
    },
    params: { bytes: new Uint8Array(0), relocations: [] },
    layout: plan.layout,
    spillSchema: spillSchemaOf(plan.layout),
    outputSchema: plan.outputSchema,
    keyCount: plan.keys.length,
    stringColumns: stringColumnsOf(plan),
    nUniqueCount: plan.aggregates.filter((aggregate) => aggregate.kind > 0).length,
  }
}

function stringColumnsOf({ aggregates }: GroupByPlan): number[] {
  const kept = aggregates.filter(({ value }) => value !== undefined && physicalOf(value.type) === 'view')
  return [...new Set(kept.flatMap(({ column }) => column ?? []))]
}

function generateModule(plan: GroupByPlan, narrowMax: number): Uint8Array<ArrayBuffer> {
  const builder = new ModuleBuilder()
  const wideSum = { params: ['i32', 'i32', 'i32', 'i32', 'i32'], results: [] } as const
  const kernels = {
    hashBytes: builder.importKernel('hashBytes', { params: ['i32', 'i32'], results: ['i64'] }),
    viewCompare: builder.importKernel('viewCompare', { params: ['i32', 'i32'], results: ['i32'] }),
    viewExtreme: builder.importKernel('viewExtreme', {
      params: ['i32', 'i32', 'i32', 'i32', 'i64'],
      results: ['i32'],
    }),
    sumI32: builder.importKernel('sumI32', { params: ['i32', 'i32', 'i32'], results: ['i64'] }),
    sumU32: builder.importKernel('sumU32', { params: ['i32', 'i32', 'i32'], results: ['i64'] }),
    sumF64: builder.importKernel('sumF64', { params: ['i32', 'i32', 'i32'], results: ['f64'] }),
    sumI64: builder.importKernel('sumI64', wideSum),
    sumU64: builder.importKernel('sumU64', wideSum),
    sumI128: builder.importKernel('sumI128', wideSum),
    countValid: builder.importKernel('countValid', { params: ['i32', 'i32', 'i32'], results: ['i32'] }),
    longBytesEqual: builder.importKernel('longBytesEqual', { params: ['i32', 'i32', 'i32'], results: ['i32'] }),
  }
  const module: GroupModule = { builder, plan, store: addStoreFunctions(builder), kernels }
  for (const aggregate of plan.aggregates) if (aggregate.kind > 0) addCounters(module, aggregate)
  if (plan.layout.fields.length > narrowMax) addWideGroupBy(module, narrowMax)
  else addNarrowGroupBy(module)
  return builder.encode()
}

function addNarrowGroupBy(module: GroupModule): void {
  addLookups(module)
  addUpdate(module)
  addUpdateSingle(module)
  addMoves(module)
  addEmit(module)
}

function addLookups(module: GroupModule): void {
  const { keys } = module.plan
  const insert = addInsert(module)
  const own = keys.map((key) => key.column)
  const leading = keys.map((_, index) => index)
  for (const [columns, suffix] of [[own, '0'] as const, [leading, '1'] as const]) {
    addHash(module, columns, suffix)
    addFind(module, insert, columns, 'upsert', suffix)
    addFind(module, insert, columns, 'append', suffix)
  }
  addCreateSingle(module, insert)
  addFused(module, insert)
  if (module.plan.takesCodes && canFuse(module.plan)) addCoded(module, insert)
}

function addMoves(module: GroupModule): void {
  const { builder, plan, store } = module
  addPageFunction(module, 'transfer', (body, page) => transferRow(body, plan.layout, store, page))
  addAbsorb(module, 'absorb')
  addAbsorb(module, 'mergeMatching')
  addSpillRows(builder, plan.layout)
  addLoadRows(builder, plan.layout, store, (field) => nullWordsOf(plan.aggregates, field))
}

/** Names do not matter for the code: only types, positions, functions and nullability. */
function shapeKey(spec: GroupBySpec): string {
  const keys = spec.keys.map((key) => `${key.column}:${typeName(key.type)}${key.nullable ? '?' : ''}`)
  const aggregates = spec.aggregates.map((aggregate) => {
    const type = aggregate.type === undefined ? '' : typeName(aggregate.type)
    return `${aggregate.function}(${aggregate.column ?? ''}:${type}${aggregate.nullable ? '?' : ''})`
  })
  return `group-by ${keys.join()} | ${aggregates.join()} | ${spec.hashMask ?? ''}${spec.takesCodes ? ' | codes' : ''}`
}
