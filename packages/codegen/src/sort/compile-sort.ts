/**
 * Compiles a sort to a WebAssembly module: functions that make rows with normalised keys from batches, and columns from
 * rows again. Sorting itself is done by kernels, which know rows by the table in the layout.
 */
import { descriptor, makeSchema, typeName } from '@spillway/columnar'
import { elementAddress, loadWords, storeWords, wordTypes } from '../expr/load-value.ts'
import { type ColumnLocals, forEachRow, openColumn, openRowLoop, validFlag } from '../rows/batch-code.ts'
import { fieldColumn, gatherColumns, openGather, writeHeader } from '../rows/gather-code.ts'
import type { RowField } from '../rows/row-layout.ts'
import { LOCAL_HEADER_BYTES, localStore, stopReason } from '../rows/row-store-layout.ts'
import { addStoreFunctions, longLength, type StoreFunctions } from '../rows/string-code.ts'
import { NARROW_FIELDS_MAX } from '../rows/wide-rows.ts'
import { block, br, brIf, type Code, call, i32, i64, local, loop, memory, select } from '../wasm/instructions.ts'
import { type FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import { isKeyBelow, type KeyScratch, makeKey, openKeyScratch, storeKey, type ValueLocals } from './key-code.ts'
import { isView, ordinalField, planSort, type SortPlan, sortSpillSchema } from './sort-layout.ts'
import type { CompiledSort, SortSpec } from './sort-spec.ts'
import { addWideSort } from './wide-sort.ts'

const { get, set } = local

/**
 * Compiles a spec. Instantiate with { env: { memory } }; exports are SortExports.
 * @param narrowMax rows of more columns, and more keys, are treated by loops over them
 */
export function compileSort(spec: SortSpec, narrowMax = NARROW_FIELDS_MAX): CompiledSort {
  const plan = planSort(spec)
  let bytes: Uint8Array<ArrayBuffer> | undefined
  return {
    key: shapeKey(spec),
    get bytes() {
      bytes ??= generateModule(spec, plan, narrowMax)
      return bytes
    },
    layout: plan.layout,
    spillSchema: sortSpillSchema(spec),
    outputSchema: makeSchema(spec.input.fields.slice(0, spec.outputCount)),
  }
}

function generateModule(spec: SortSpec, plan: SortPlan, narrowMax: number): Uint8Array<ArrayBuffer> {
  const builder = new ModuleBuilder()
  const store = addStoreFunctions(builder)
  if (Math.max(plan.layout.fields.length, plan.places.length) > narrowMax) {
    addWideSort(builder, plan, store, spec.outputCount, narrowMax)
    return builder.encode()
  }
  addAppend(builder, plan, store)
  addLoad(builder, plan)
  addKeep(builder, plan, store)
  addSelectBelow(builder, plan)
  const { fields } = plan.layout
  addGather(builder, 'spillRows', [ordinalField(plan.layout), ...fields])
  addGather(builder, 'emitRows', fields.slice(0, spec.outputCount))
  return builder.encode()
}

function shapeKey({ input, keys, outputCount }: SortSpec): string {
  const columns = input.fields.map(({ type, nullable }) => `${typeName(type)}${nullable ? '?' : ''}`)
  const keyTexts = keys.map(
    ({ column, descending, nullsLast }) => `${column}${descending ? '-' : '+'}${nullsLast ? 'l' : 'f'}`,
  )
  return `sort ${columns.join()} | ${outputCount} | ${keyTexts.join()}`
}

/** Exports a function (rows, n, outBatch) that writes these fields as columns. */
function addGather(builder: ModuleBuilder, name: string, fields: readonly RowField[]): void {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: [] }, name)
  const gather = openGather(body)
  body.emit(
    writeHeader(gather),
    gatherColumns(
      gather,
      fields.map((field) => fieldColumn(field, gather.row)),
    ),
  )
}

/** A column of the batch that is read, and the locals that hold its value in the present row. */
interface Input extends ValueLocals {
  readonly field: RowField
  readonly column: ColumnLocals
}

function openInputs(body: FunctionBuilder, plan: SortPlan, batch: number, firstColumn: number): Input[] {
  return plan.layout.fields.map((field, index) => ({
    field,
    column: openColumn(body, batch, firstColumn + index),
    words: wordTypes(field.type).map((type) => body.local(type)),
    valid: field.nullOffset === undefined ? undefined : body.local('i32'),
  }))
}

/** Statements: loads all values of a row. A null string is all zeroes; the bytes of other nulls mean nothing. */
function loadInputs(inputs: readonly Input[], row: number): Code {
  return inputs.map(({ field, column, words, valid }) => {
    const loaded = loadWords(field.type, elementAddress(field.type, get(column.values), get(row)))
    const known = words.map((word, index): Code => {
      const code = loaded[index] ?? []
      const isText = valid !== undefined && isView(field.type)
      return set(word, isText ? select(code, i64.const(0n), get(valid)) : code)
    })
    return valid === undefined ? known : [set(valid, validFlag(column, get(row))), known]
  })
}

/** Statements: writes the row at `target` from the locals. */
function writeRow(
  plan: SortPlan,
  scratch: KeyScratch,
  inputs: readonly Input[],
  target: number,
  ordinal: Code,
  storeView: (input: Input) => Code,
): Code {
  const localsOf = (column: number): ValueLocals => inputs[column] as Input
  const fields = inputs.map((input): Code => {
    const { field, words, valid } = input
    const value = isView(field.type)
      ? storeView(input)
      : storeWords(field.type, get(target), words.map(get), field.offset)
    if (valid === undefined || field.nullOffset === undefined) return value
    return [value, i32.store8(get(target), get(valid), field.nullOffset)]
  })
  const keyBytes = plan.layout.keyWords * 8
  return [
    makeKey(scratch, plan.places, localsOf),
    storeKey(scratch, target),
    i64.store(get(target), ordinal, keyBytes),
    fields,
  ]
}

/** Exports append. */
function addAppend(builder: ModuleBuilder, plan: SortPlan, store: StoreFunctions): void {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] }, 'append')
  const [batch, storeLocal, start] = [0, 1, 2]
  const rows = openRowLoop(body, batch)
  const inputs = openInputs(body, plan, batch, 0)
  const scratch = openKeyScratch(body, plan.layout.keyWords)
  const partition = body.local('i32')
  const target = body.local('i32')
  const ordinal = body.local('i64')
  const views = inputs.filter(({ field }) => isView(field.type))
  const heapBytes = views
    .map(({ words }) => longLength(get(words[0] as number)))
    .reduce<Code>((sum, bytes) => i32.add(sum, bytes), i32.const(0))
  const taken = call(store.takeRow, get(storeLocal), get(partition), i32.const(plan.layout.rowBytes), heapBytes)
  const copyView = ({ field, words }: Input): Code => {
    const [first = 0, second = 0] = words
    return call(
      store.copyString,
      get(partition),
      i32.add(get(target), i32.const(field.offset)),
      get(first),
      get(second),
    )
  }
  body.emit(
    i32.store(get(storeLocal), i32.const(stopReason.none), localStore.stopReason),
    set(partition, i32.add(get(storeLocal), i32.const(LOCAL_HEADER_BYTES))),
    set(ordinal, i64.load(get(batch), descriptor.ordinal)),
    set(rows.position, get(start)),
    forEachRow(rows, [
      loadInputs(inputs, rows.row),
      set(target, taken),
      brIf(1, i32.eqz(get(target))),
      writeRow(plan, scratch, inputs, target, i64.add(get(ordinal), i64.extendI32U(get(rows.row))), copyView),
    ]),
    get(rows.position),
  )
}

/** Exports load. */
function addLoad(builder: ModuleBuilder, plan: SortPlan): void {
  const body = builder.addFunction({ params: ['i32', 'i32'], results: [] }, 'load')
  const [batch, first] = [0, 1]
  const rows = openRowLoop(body, batch)
  const ordinals = openColumn(body, batch, 0)
  const inputs = openInputs(body, plan, batch, 1)
  const scratch = openKeyScratch(body, plan.layout.keyWords)
  const target = body.local('i32')
  const keepView = ({ field, words }: Input): Code => storeWords(field.type, get(target), words.map(get), field.offset)
  const ordinal = i64.load(i32.add(get(ordinals.values), i32.shl(get(rows.row), i32.const(3))))
  body.emit(
    set(target, get(first)),
    forEachRow(rows, [
      loadInputs(inputs, rows.row),
      writeRow(plan, scratch, inputs, target, ordinal, keepView),
      set(target, i32.add(get(target), i32.const(plan.layout.rowBytes))),
    ]),
  )
}

/** Exports keep. */
function addKeep(builder: ModuleBuilder, plan: SortPlan, store: StoreFunctions): void {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] }, 'keep')
  const [entries, count, storeLocal, index] = [0, 1, 2, 3]
  const partition = body.local('i32')
  const row = body.local('i32')
  const target = body.local('i32')
  const { layout } = plan
  const views = layout.fields.filter(({ type }) => isView(type))
  const heapBytes = views
    .map(({ offset }) => longLength(i64.load(get(row), offset)))
    .reduce<Code>((sum, bytes) => i32.add(sum, bytes), i32.const(0))
  const copyStrings = views.map(({ offset }) => {
    const [first, second] = [i64.load(get(row), offset), i64.load(get(row), offset + 8)]
    return call(store.copyString, get(partition), i32.add(get(target), i32.const(offset)), first, second)
  })
  body.emit(
    i32.store(get(storeLocal), i32.const(stopReason.none), localStore.stopReason),
    set(partition, i32.add(get(storeLocal), i32.const(LOCAL_HEADER_BYTES))),
    block(
      loop([
        brIf(1, i32.geU(get(index), get(count))),
        set(row, i32.load(i32.add(get(entries), i32.shl(get(index), i32.const(4))), 8)),
        set(target, call(store.takeRow, get(storeLocal), get(partition), i32.const(layout.rowBytes), heapBytes)),
        brIf(1, i32.eqz(get(target))),
        memory.copy(get(target), get(row), i32.const(layout.rowBytes)),
        copyStrings,
        set(index, i32.add(get(index), i32.const(1))),
        br(0),
      ]),
    ),
    get(index),
  )
}

/** Exports selectBelow. */
function addSelectBelow(builder: ModuleBuilder, plan: SortPlan): void {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] }, 'selectBelow')
  const [batch, bound, out, keepsTies] = [0, 1, 2, 3]
  const rows = openRowLoop(body, batch)
  const keys = new Set(plan.places.map(({ column }) => column))
  const inputs = openInputs(body, plan, batch, 0)
  const scratch = openKeyScratch(body, plan.layout.keyWords)
  const cursor = body.local('i32')
  const localsOf = (column: number): ValueLocals => inputs[column] as Input
  body.emit(
    set(cursor, get(out)),
    forEachRow(rows, [
      loadInputs(
        inputs.filter((_, column) => keys.has(column)),
        rows.row,
      ),
      makeKey(scratch, plan.places, localsOf),
      // Stored always, kept if below: no branch to predict.
      i32.store(get(cursor), get(rows.row)),
      set(cursor, i32.add(get(cursor), i32.shl(isKeyBelow(scratch, plan.places, bound, get(keepsTies)), i32.const(2)))),
    ]),
    i32.shrU(i32.sub(get(cursor), get(out)), i32.const(2)),
  )
}
