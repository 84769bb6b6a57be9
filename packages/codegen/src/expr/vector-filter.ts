/**
 * Conditions that are tested for four rows at a time: comparisons of 32-bit integers and dates, and what and, or and
 * not make of them. For batches without nulls and without selection.
 */
import { type DataType, isUnsignedInteger } from '@spillway/columnar'
import { block, br, brIf, type Code, call, i32, i32x4, local, loop, v128 } from '../wasm/instructions.ts'
import type { CompareOp } from './load-value.ts'
import type { RowCode } from './row-code.ts'
import type { Ir } from './stage-ir.ts'

const LANES = 4

/** All lanes one for a row that holds, `row` being the first of four; undefined: not such a condition. */
function lanesOf(code: RowCode, node: Ir, row: number): Code | undefined {
  if (node.kind === 'unary' && node.op === 'not') {
    const operand = lanesOf(code, node.operand, row)
    return operand === undefined ? undefined : v128.not(operand)
  }
  if (node.kind !== 'binary') return undefined
  if (node.op === 'and' || node.op === 'or') {
    const left = lanesOf(code, node.left, row)
    const right = left === undefined ? undefined : lanesOf(code, node.right, row)
    if (left === undefined || right === undefined) return undefined
    return node.op === 'and' ? v128.and(left, right) : v128.or(left, right)
  }
  const compare = comparisonOf(node.op, node.left.type)
  if (compare === undefined) return undefined
  const left = operandLanes(code, node.left, row)
  const right = left === undefined ? undefined : operandLanes(code, node.right, row)
  return left === undefined || right === undefined ? undefined : compare(left, right)
}

function comparisonOf(op: string, type: DataType): ((a: Code, b: Code) => Code) | undefined {
  if (type.kind !== 'int32' && type.kind !== 'uint32' && type.kind !== 'date') return undefined
  const unsigned = isUnsignedInteger(type)
  const comparisons: Readonly<Record<CompareOp, (a: Code, b: Code) => Code>> = {
    eq: i32x4.eq,
    ne: i32x4.ne,
    lt: unsigned ? i32x4.ltU : i32x4.ltS,
    le: unsigned ? i32x4.leU : i32x4.leS,
    gt: unsigned ? i32x4.gtU : i32x4.gtS,
    ge: unsigned ? i32x4.geU : i32x4.geS,
  }
  return comparisons[op as CompareOp]
}

function operandLanes(code: RowCode, node: Ir, row: number): Code | undefined {
  if (node.kind === 'column') {
    const values = code.columnValues(node.index)
    return v128.load(i32.add(local.get(values), i32.shl(local.get(row), i32.const(2))))
  }
  if (node.kind !== 'param' || node.isNull) return undefined
  const [word] = code.literal(node.offset, node.type)
  return word === undefined ? undefined : i32x4.splat(local.get(word))
}

/**
 * Emits, before the loop over rows, one over the rows that come in fours: afterwards `position` is the first row that
 * is left, and `target` stands behind the rows that were kept. Does nothing for other conditions.
 *
 * Four rows give one byte, and a kernel makes rows of the bytes. They lie in the last sixteenth of the selection that
 * the kernel writes from the beginning: it never catches up with what it still has to read.
 */
export function addVectorFilter(
  code: RowCode,
  node: Ir,
  at: { readonly position: number; readonly count: number; readonly start: number; readonly target: number },
): void {
  const { position, count, start, target } = at
  const lanes = lanesOf(code, node, position)
  if (lanes === undefined) return
  const groups = code.builder.local('i32')
  const masks = code.builder.local('i32')
  const group = i32.shrU(local.get(position), i32.const(2))
  code.emitOnce(
    local.set(groups, i32.shrU(local.get(count), i32.const(2))),
    local.set(masks, i32.add(local.get(start), i32.mul(local.get(groups), i32.const(4 * LANES - 1)))),
    block(
      loop([
        brIf(1, i32.geU(group, local.get(groups))),
        i32.store8(i32.add(local.get(masks), group), i32x4.bitmask(lanes)),
        local.set(position, i32.add(local.get(position), i32.const(LANES))),
        br(0),
      ]),
    ),
    local.set(
      target,
      i32.add(
        local.get(start),
        i32.shl(
          call(code.kernel('masksToSelection'), local.get(masks), local.get(groups), local.get(start)),
          i32.const(2),
        ),
      ),
    ),
  )
}
