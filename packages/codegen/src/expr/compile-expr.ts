/**
 * Ir → statements that leave a value in locals: dispatch, three-valued logic, branches.
 *
 * A node that may raise is reached through a real branch, so it runs only for rows that need it; what cannot raise and
 * costs little is computed for every row and chosen without a branch.
 */
import { hasOwnLength } from '@spillway/columnar'
import type { DataType } from '@spillway/columnar'
import { unreachable } from '@spillway/stdx'
import { call, type Code, f64, i32, i64, ifElse, local, select } from '../wasm/instructions.ts'
import { compileArithmetic, compileNegate } from './arithmetic.ts'
import { compileCast } from './cast.ts'
import { compileComparison } from './compare.ts'
import { wordTypes } from './load-value.ts'
import { type RowCode, type Validity, validityCode, type Value, whereValid } from './row-code.ts'
import { type Ir, type IrOf, irSize } from './stage-ir.ts'
import { heapBytesPerRow } from './text-room.ts'

/** Above this cost per row a branch is taken rather than computing both sides. */
const BRANCH_FREE_COST = 4

/** Emits the evaluation of `node` for the current row. */
export function compileExpr(code: RowCode, node: Ir): Value {
  switch (node.kind) {
    case 'column':
      return code.column(node.index, node.type)
    case 'param':
      return { words: code.literal(node.offset, node.type), valid: node.isNull ? 'null' : 'valid' }
    case 'binary':
      return compileBinary(code, node)
    case 'unary':
      return compileUnary(code, node)
    case 'fillNull':
      return compileFillNull(code, node)
    case 'isIn':
      return compileIsIn(code, node)
    case 'cast':
      return compileCast(code, node, compileExpr(code, node.operand))
    case 'when':
      return compileWhen(code, node)
    default:
      return unreachable(node)
  }
}

function compileBinary(code: RowCode, node: IrOf<'binary'>): Value {
  switch (node.op) {
    case 'and':
    case 'or':
      return compileLogic(code, node)
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'mod':
      return compileArithmetic(code, node, compileExpr(code, node.left), compileExpr(code, node.right))
    default: {
      const [left, right] = [compileExpr(code, node.left), compileExpr(code, node.right)]
      const rightIsNumber = node.right.kind === 'param' && node.right.isNumber
      return compileComparison(code, node.op, node.left.type, left, right, rightIsNumber)
    }
  }
}

/**
 * and: true when both are true, false when one is false, else null. or: the mirror image. With t = "valid and true"
 * and f = "valid and false" of each side, and is { t: t1·t2, f: f1+f2 }.
 */
function compileLogic(code: RowCode, node: IrOf<'binary'>): Value {
  const left = compileCondition(code, node.left)
  const isAnd = node.op === 'and'
  if (!node.right.mayRaise && node.right.cost <= BRANCH_FREE_COST) {
    return joinLogic(code, isAnd, left, compileExpr(code, node.right))
  }
  // The right side is not reached where the left one decides: false for and, true for or.
  const result = code.builder.local('i32')
  const valid = code.builder.local('i32')
  const truth = local.get(left.words[0] ?? 0)
  const decides = whereValid(left.valid, isAnd ? i32.eqz(truth) : truth)
  const right = code.collect(() => {
    const joined = joinLogic(code, isAnd, left, compileCondition(code, node.right))
    code.emit(local.set(result, local.get(joined.words[0] ?? 0)), local.set(valid, validityCode(joined.valid)))
  })
  const decided = [local.set(result, i32.const(isAnd ? 0 : 1)), local.set(valid, i32.const(1))]
  code.emit(ifElse(decides, decided, right))
  return { words: [result], valid }
}

/** Nodes of a condition that share a function with what stands around it. */
const INLINE_NODES = 1000

function compileCondition(code: RowCode, node: Ir): Value {
  const isShort = irSize(node) <= INLINE_NODES || heapBytesPerRow(node) > 0 || wordTypes(node.type)[0] !== 'i32'
  return isShort ? compileExpr(code, node) : code.outline(node.mayRaise, (inner) => compileExpr(inner, node))
}

function joinLogic(code: RowCode, isAnd: boolean, left: Value, right: Value): Value {
  const [a, b] = [local.get(left.words[0] ?? 0), local.get(right.words[0] ?? 0)]
  if (left.valid === 'valid' && right.valid === 'valid') {
    return { words: [code.let('i32', isAnd ? i32.and(a, b) : i32.or(a, b))], valid: 'valid' }
  }
  const isTrue = (value: Value, truth: Code): Code => whereValid(value.valid, truth)
  const isFalse = (value: Value, truth: Code): Code => whereValid(value.valid, i32.eqz(truth))
  const trueSide = [isTrue(left, a), isTrue(right, b)] as const
  const falseSide = [isFalse(left, a), isFalse(right, b)] as const
  const truth = code.let('i32', isAnd ? i32.and(...trueSide) : i32.or(...trueSide))
  const falsity = isAnd ? i32.or(...falseSide) : i32.and(...falseSide)
  return { words: [truth], valid: code.let('i32', i32.or(local.get(truth), falsity)) }
}

function compileUnary(code: RowCode, node: IrOf<'unary'>): Value {
  const operand = compileExpr(code, node.operand)
  switch (node.op) {
    case 'not':
      return { words: [code.let('i32', i32.eqz(local.get(operand.words[0] ?? 0)))], valid: operand.valid }
    case 'isNull':
      return { words: [code.let('i32', i32.eqz(validityCode(operand.valid)))], valid: 'valid' }
    case 'isNotNull':
      return { words: [code.let('i32', validityCode(operand.valid))], valid: 'valid' }
    case 'negate':
      return compileNegate(code, node, operand)
    default:
      return unreachable(node.op)
  }
}

/** Locals that several branches assign: a value of `type` and its validity. */
function resultLocals(code: RowCode, type: DataType): { words: readonly number[]; valid: number } {
  return { words: wordTypes(type).map((word) => code.builder.local(word)), valid: code.builder.local('i32') }
}

function assign(code: RowCode, result: { words: readonly number[]; valid: number }, value: Value): void {
  result.words.forEach((word, k) => {
    const source = value.words[k]
    if (source !== undefined) code.emit(local.set(word, local.get(source)))
  })
  code.emit(local.set(result.valid, validityCode(value.valid)))
}

function compileFillNull(code: RowCode, node: IrOf<'fillNull'>): Value {
  const operand = compileExpr(code, node.operand)
  if (operand.valid === 'valid') return operand
  if (operand.valid === 'null') return compileExpr(code, node.fill)
  const condition = local.get(operand.valid)
  if (!node.fill.mayRaise && node.fill.cost <= BRANCH_FREE_COST) {
    const fill = compileExpr(code, node.fill)
    if (fill.valid === 'null') return operand
    return chooseValue(code, node.type, condition, { ...operand, valid: 'valid' }, fill)
  }
  const result = resultLocals(code, node.type)
  const kept = code.collect(() => assign(code, result, { ...operand, valid: 'valid' }))
  const filled = code.collect(() => assign(code, result, compileExpr(code, node.fill)))
  code.emit(ifElse(condition, kept, filled))
  return result
}

/** a where `condition` (0 or 1, pure code), else b; no branch. */
function chooseValue(code: RowCode, type: DataType, condition: Code, a: Value, b: Value): Value {
  const types = wordTypes(type)
  const words = types.map((word, k) =>
    code.let(word, select(local.get(a.words[k] ?? 0), local.get(b.words[k] ?? 0), condition)),
  )
  if (a.valid === 'valid' && b.valid === 'valid') return { words, valid: 'valid' }
  return { words, valid: code.let('i32', select(validityCode(a.valid), validityCode(b.valid), condition)) }
}

function compileWhen(code: RowCode, node: IrOf<'when'>): Value {
  const values = [...node.branches.map((branch) => branch.then), node.otherwise]
  const conditions = node.branches.map((branch) => branch.when)
  const simple = [...values, ...conditions].every((part) => !part.mayRaise)
  if (node.branches.length === 1 && simple && node.cost <= BRANCH_FREE_COST) {
    const [condition, then] = [compileExpr(code, conditions[0] as Ir), compileExpr(code, values[0] as Ir)]
    const otherwise = compileExpr(code, node.otherwise)
    const holds = code.let('i32', whereValid(condition.valid, local.get(condition.words[0] ?? 0)))
    return chooseValue(code, node.type, local.get(holds), then, otherwise)
  }
  const result = resultLocals(code, node.type)
  const writeFrom = (k: number): void => {
    const branch = node.branches[k]
    if (branch === undefined) {
      assign(code, result, compileExpr(code, node.otherwise))
      return
    }
    const condition = compileExpr(code, branch.when)
    const then = code.collect(() => assign(code, result, compileExpr(code, branch.then)))
    const otherwise = code.collect(() => writeFrom(k + 1))
    code.emit(ifElse(whereValid(condition.valid, local.get(condition.words[0] ?? 0)), then, otherwise))
  }
  writeFrom(0)
  const neverNull = !code.withNulls && values.every((value) => isNeverNull(value))
  return neverNull ? { words: result.words, valid: 'valid' } : result
}

/** True for nodes that cannot be null when no column of the batch is: enough to drop a validity buffer. */
function isNeverNull(node: Ir): boolean {
  switch (node.kind) {
    case 'column':
      return node.type.kind !== 'null'
    case 'param':
      return !node.isNull
    case 'binary':
      return node.op !== 'mod' && isNeverNull(node.left) && isNeverNull(node.right)
    case 'unary':
    case 'isIn':
      return isNeverNull(node.operand)
    case 'cast':
      return node.strict && isNeverNull(node.operand)
    case 'fillNull':
      return isNeverNull(node.operand) || isNeverNull(node.fill)
    case 'when':
      return [...node.branches.map((branch) => branch.then), node.otherwise].every(isNeverNull)
    default:
      return unreachable(node)
  }
}

/** Membership in a sorted table of the parameter block: one kernel call per row, binary search inside. */
function compileIsIn(code: RowCode, node: IrOf<'isIn'>): Value {
  const operand = compileExpr(code, node.operand)
  const [table, count] = [code.builder.local('i32'), code.builder.local('i32')]
  code.emitOnce(
    local.set(table, i32.load(local.get(code.params), node.offset)),
    local.set(count, i32.load(local.get(code.params), node.offset + 4)),
  )
  const { type } = node.operand
  const words = operand.words.map(local.get)
  const place = [local.get(table), local.get(count)]
  if (hasOwnLength(type)) {
    // A null row's view may point anywhere: it is replaced by the empty string before anyone follows it.
    const safe = words.map((word) => guardWord(operand.valid, word))
    return { words: [code.let('i32', call(code.kernel('textInSet'), ...safe, ...place))], valid: operand.valid }
  }
  const name = type.kind === 'decimal' ? 'wideInSet' : 'keyInSet'
  const keys = type.kind === 'decimal' ? words : [setKeyCode(code, type, words[0] ?? [])]
  return { words: [code.let('i32', call(code.kernel(name), ...keys, ...place))], valid: operand.valid }
}

/** An i64 word, or zero in a null row. */
export function guardWord(valid: Validity, word: Code): Code {
  if (valid === 'valid') return word
  return valid === 'null' ? i64.const(0n) : select(word, i64.const(0n), local.get(valid))
}

/** The twin of `setKey` in param-block.ts. */
function setKeyCode(code: RowCode, type: DataType, word: Code): Code {
  if (type.kind === 'float32' || type.kind === 'float64') {
    const wide = code.let('f64', type.kind === 'float32' ? f64.promoteF32(word) : word)
    const number = local.get(wide)
    const bits = i64.reinterpretF64(f64.add(number, f64.const(0)))
    return select(bits, i64.const(0x7ff8000000000000n), f64.eq(number, number))
  }
  const [wordType] = wordTypes(type)
  if (wordType === 'i64') return word
  return type.kind === 'uint32' ? i64.extendI32U(word) : i64.extendI32S(word)
}
