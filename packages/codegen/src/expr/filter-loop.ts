/**
 * One loop of a filter: reads candidate rows, writes those for which the condition is true.
 *
 * The store is unconditional and the write position advances by the condition (0 or 1), so there is no branch to
 * mispredict. Writing never overtakes reading, so candidates and result may be the same buffer.
 */
import { descriptor } from '@spillway/columnar'
import { i32, local } from '../wasm/instructions.ts'
import type { ModuleBuilder } from '../wasm/module-builder.ts'
import { compileExpr } from './compile-expr.ts'
import { RowCode, whereValid } from './row-code.ts'
import type { Ir } from './stage-ir.ts'
import { heapBytesPerRow } from './text-room.ts'
import { addVectorFilter } from './vector-filter.ts'

/**
 * Adds `(batch, params, candidates, candidateCount) → count of kept rows, or -1 when a row raised`.
 * @param selected whether candidates are listed; otherwise they are rows 0 … candidateCount
 * @returns the function's index
 */
export function addFilterLoop(
  module: ModuleBuilder,
  node: Ir,
  kernel: (name: string) => number,
  selected: boolean,
  withNulls: boolean,
): number {
  const builder = module.addFunction({ params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] })
  const [batch, params, candidates, candidateCount] = [0, 1, 2, 3]
  const code = new RowCode(module, builder, kernel, { batch, params }, withNulls)
  const [position, target] = [builder.local('i32'), builder.local('i32')]
  const [start, heapStart] = [builder.local('i32'), builder.local('i32')]
  code.emitOnce(
    local.set(start, i32.load(local.get(batch), descriptor.selectionBuffer)),
    local.set(target, local.get(start)),
  )
  if (heapBytesPerRow(node) > 0) {
    // Strings built by a filter live for one row only, so the cursor starts again with each.
    code.emitOnce(
      local.set(heapStart, i32.load(local.get(batch), descriptor.heapCursor)),
      local.set(code.heapEnd, i32.load(local.get(batch), descriptor.heapEnd)),
    )
    code.emit(local.set(code.heapCursor, local.get(heapStart)))
  }
  if (!selected && !withNulls) addVectorFilter(code, node, { position, count: candidateCount, start, target })
  const condition = compileExpr(code, node)
  const holds = whereValid(condition.valid, local.get(condition.words[0] ?? 0))
  code.emit(
    i32.store(local.get(target), local.get(code.row)),
    local.set(target, i32.add(local.get(target), i32.shl(holds, i32.const(2)))),
  )
  const listed = i32.load(i32.add(local.get(candidates), i32.shl(local.get(position), i32.const(2))))
  builder.emit(
    code.finishLoop(position, local.get(candidateCount), selected ? listed : local.get(position)),
    i32.shrU(i32.sub(local.get(target), local.get(start)), i32.const(2)),
  )
  return builder.index
}
