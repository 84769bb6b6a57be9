/**
 * One output of a projection: a bare column of a whole batch is handed on by pointer, everything else is computed
 * densely into the output column's own buffers, in a loop per variant.
 */
import { descriptor, type DataType } from '@spillway/columnar'
import { call, type Code, i32, ifElse, local, ret } from '../wasm/instructions.ts'
import type { ModuleBuilder } from '../wasm/module-builder.ts'
import { compileExpr } from './compile-expr.ts'
import { elementAddress, storeWords } from './load-value.ts'
import { columnField, RowCode, validityCode } from './row-code.ts'
import { columnsOf, type Ir } from './stage-ir.ts'
import { heapBytesPerRow } from './text-room.ts'

/**
 * Adds `(batch, out, params) → 0 | 1` for output `index`.
 * @returns the function's index
 */
export function addOutputFunction(
  module: ModuleBuilder,
  node: Ir,
  index: number,
  kernel: (name: string) => number,
): number {
  const variants = [false, true].flatMap((selected) => {
    // A bare column needs no loop when all rows count.
    if (node.kind === 'column' && !selected) return [-1, -1]
    return [false, true].map((withNulls) => addOutputLoop(module, node, index, kernel, selected, withNulls))
  })
  const builder = module.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] })
  const [batch, out] = [0, 1]
  const hasNulls = builder.local('i32')
  const used = columnsOf(node)
  const validities = used.map((column) => i32.load(local.get(batch), columnField(column, 'validity')))
  builder.emit(
    local.set(
      hasNulls,
      validities.reduce<Code>((sum, pointer) => i32.or(sum, pointer), i32.const(0)),
    ),
  )
  const operands = [0, 1, 2].map(local.get)
  const [dense, denseNulls, listed, listedNulls] = variants as [number, number, number, number]
  const either = (fast: number, general: number): Code =>
    ifElse(local.get(hasNulls), ret(call(general, ...operands)), ret(call(fast, ...operands)))
  const handOn = (['values', 'validity', 'nullCount'] as const).map((field) =>
    i32.store(
      local.get(out),
      i32.load(local.get(batch), columnField(node.kind === 'column' ? node.index : 0, field)),
      columnField(index, field),
    ),
  )
  builder.emit(
    ifElse(
      i32.load(local.get(batch), descriptor.selection),
      either(listed, listedNulls),
      node.kind === 'column' ? [handOn, ret(i32.const(0))] : either(dense, denseNulls),
    ),
    i32.const(0),
  )
  return builder.index
}

/** Adds the loop of one variant, with the same signature; it also writes the output's column entry. */
function addOutputLoop(
  module: ModuleBuilder,
  node: Ir,
  index: number,
  kernel: (name: string) => number,
  selected: boolean,
  withNulls: boolean,
): number {
  const builder = module.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] })
  const [batch, out, params] = [0, 1, 2]
  const code = new RowCode(module, builder, kernel, { batch, params }, withNulls)
  const locals = ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'] as const
  const [position, count, selection, values, validity, valid] = locals.map((type) => builder.local(type)) as Six
  const buffers = i32.load(local.get(out), columnField(index, 'buffers'))
  code.emitOnce(
    local.set(count, i32.load(local.get(batch), descriptor.selectionCount)),
    local.set(selection, i32.load(local.get(batch), descriptor.selection)),
    local.set(values, i32.load(buffers)),
    local.set(validity, i32.load(buffers, 4)),
  )
  const buildsText = heapBytesPerRow(node) > 0
  if (buildsText) {
    code.emitOnce(
      local.set(code.heapCursor, i32.load(local.get(out), descriptor.heapCursor)),
      local.set(code.heapEnd, i32.load(local.get(out), descriptor.heapEnd)),
    )
  }
  const value = compileExpr(code, node)
  const type: DataType = node.type
  const target = code.let('i32', elementAddress(type, local.get(values), local.get(position)))
  code.emit(storeWords(type, local.get(target), value.words.map(local.get)))
  const mayBeNull = value.valid !== 'valid'
  if (mayBeNull) {
    const flag = code.let('i32', validityCode(value.valid))
    code.emit(
      i32.store8(i32.add(local.get(validity), local.get(position)), local.get(flag)),
      local.set(valid, i32.add(local.get(valid), local.get(flag))),
    )
  }
  const listed = i32.load(i32.add(local.get(selection), i32.shl(local.get(position), i32.const(2))))
  builder.emit(code.finishLoop(position, local.get(count), selected ? listed : local.get(position)))
  if (buildsText) builder.emit(i32.store(local.get(out), local.get(code.heapCursor), descriptor.heapCursor))
  const nulls = builder.local('i32')
  if (mayBeNull) builder.emit(local.set(nulls, i32.sub(local.get(count), local.get(valid))))
  builder.emit(
    i32.store(local.get(out), local.get(values), columnField(index, 'values')),
    ifElse(i32.eqz(local.get(nulls)), local.set(validity, i32.const(0))),
    i32.store(local.get(out), local.get(validity), columnField(index, 'validity')),
    i32.store(local.get(out), local.get(nulls), columnField(index, 'nullCount')),
    i32.const(0),
  )
  return builder.index
}

type Six = [number, number, number, number, number, number]
