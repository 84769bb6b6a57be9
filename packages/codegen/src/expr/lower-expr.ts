/**
 * TypedExpr → Ir: resolves columns to input positions, moves literals into the parameter block, notes where an
 * expression can raise. Casts of numeric literals are folded here, so that `col < 5` costs no conversion per row.
 */
import { type DataType, findFieldIndex, isFloat, isInteger, type Schema, typeEquals } from '@spillway/columnar'
import type { LiteralValue, TypedExpr } from '@spillway/plan'
import { assert, makeError, unreachable } from '@spillway/stdx'
import { findIntegerRange } from './integer-range.ts'
import type { ParamBlockBuilder } from './param-block.ts'
import type { Ir } from './stage-ir.ts'

/** What an expression of the stage can raise for; `errorSite` of a batch is an index into the stage's list. */
export interface RaiseSite {
  /** The output the expression belongs to, or undefined in the filter. */
  readonly output: number | undefined
  readonly expr: TypedExpr
}

export class ExprLowering {
  readonly #input: Schema
  readonly #params: ParamBlockBuilder
  readonly sites: RaiseSite[] = []
  output: number | undefined = undefined

  constructor(input: Schema, params: ParamBlockBuilder) {
    this.#input = input
    this.#params = params
  }

  lower(source: TypedExpr): Ir {
    const expr = foldCast(source)
    switch (expr.kind) {
      case 'column': {
        const index = findFieldIndex(this.#input, expr.name)
        if (index < 0) {
          throw makeError('COLUMN_NOT_FOUND', `Column not found: "${expr.name}". It is missing from the stage's input.`)
        }
        const type = this.#input.fields[index]?.type ?? expr.type
        assert(typeEquals(type, expr.type), 'a typed column has the type of the input schema')
        return { kind: 'column', index, type, mayRaise: false, cost: 0.5 }
      }
      case 'literal': {
        const { type, value } = expr
        const isNumber = isFloat(type) && value !== null && !Number.isNaN(Number(value))
        const offset = this.#params.addLiteral(value, type)
        return { kind: 'param', offset, isNull: value === null, isNumber, type, mayRaise: false, cost: 0 }
      }
      case 'binary':
        return this.#lowerBinary(expr)
      case 'unary': {
        const operand = this.lower(expr.operand)
        const raises = expr.op === 'negate' && isInteger(expr.type)
        const mayRaise = operand.mayRaise || raises
        const site = raises ? this.#site(expr) : -1
        return { kind: 'unary', op: expr.op, operand, site, type: expr.type, mayRaise, cost: operand.cost + 0.5 }
      }
      case 'fillNull': {
        const [operand, fill] = [this.lower(expr.operand), this.lower(expr.fill)]
        return { kind: 'fillNull', operand, fill, ...combine(expr.type, [operand, fill], 1) }
      }
      case 'isIn': {
        const operand = this.lower(expr.operand)
        const values = expr.values.filter((value) => value !== null)
        const offset = this.#params.addSet(values, operand.type)
        return { kind: 'isIn', operand, offset, ...combine(expr.type, [operand], 10) }
      }
      case 'cast': {
        const operand = this.lower(expr.operand)
        const raises = expr.strict && castMayFail(operand.type, expr.type)
        const usesText = operand.type.kind === 'utf8' || expr.type.kind === 'utf8'
        return {
          kind: 'cast',
          operand,
          strict: expr.strict,
          site: this.#site(expr),
          type: expr.type,
          mayRaise: operand.mayRaise || raises,
          cost: operand.cost + (usesText ? 50 : 1.5),
        }
      }
      case 'when': {
        const branches = expr.branches.map(({ when, then }) => ({ when: this.lower(when), then: this.lower(then) }))
        const otherwise = this.lower(expr.otherwise)
        const parts = [...branches.flatMap((branch) => [branch.when, branch.then]), otherwise]
        return { kind: 'when', branches, otherwise, ...combine(expr.type, parts, branches.length) }
      }
      default:
        return unreachable(expr)
    }
  }

  #lowerBinary(expr: TypedExpr & { kind: 'binary' }): Ir {
    const [left, right] = [this.lower(expr.left), this.lower(expr.right)]
    const { op, type } = expr
    const exact = isInteger(type) || type.kind === 'decimal'
    const raises = exact && (op === 'add' || op === 'sub' || op === 'mul')
    const onTexts = left.type.kind === 'utf8'
    const slow = type.kind === 'decimal' || op === 'mod'
    const own = onTexts ? 4 : slow ? 6 : 1
    const site = raises ? this.#site(expr) : -1
    const mayRaise = left.mayRaise || right.mayRaise || raises
    return { kind: 'binary', op, left, right, site, type, mayRaise, cost: left.cost + right.cost + own }
  }

  #site(expr: TypedExpr): number {
    this.sites.push({ output: this.output, expr })
    return this.sites.length - 1
  }
}

function combine(
  type: DataType,
  parts: readonly Ir[],
  own: number,
): { type: DataType; mayRaise: boolean; cost: number } {
  return {
    type,
    mayRaise: parts.some((part) => part.mayRaise),
    cost: parts.reduce((sum, part) => sum + part.cost, own),
  }
}

/** Whether some value of `from` has no counterpart in `to`. */
export function castMayFail(from: DataType, to: DataType): boolean {
  if (from.kind === 'null' || to.kind === 'utf8' || typeEquals(from, to)) return false
  const [source, target] = [findIntegerRange(from), findIntegerRange(to)]
  if (source !== undefined && to.kind === 'boolean') return false
  if (source !== undefined && target !== undefined) return source[0] < target[0] || source[1] > target[1]
  if (isFloat(to)) return from.kind === 'utf8'
  if (isFloat(from) && to.kind === 'boolean') return false
  return true
}

/** A cast of a non-null number literal to a numeric type that holds it becomes a literal of that type. */
function foldCast(expr: TypedExpr): TypedExpr {
  if (expr.kind !== 'cast') return expr
  const operand = foldCast(expr.operand)
  if (operand.kind !== 'literal') return expr
  const { value } = operand
  if (value === null) return { kind: 'literal', value: null, type: expr.type, nullable: true }
  const folded = foldNumber(value, operand.type, expr.type)
  return folded === undefined ? expr : { kind: 'literal', value: folded, type: expr.type, nullable: false }
}

function foldNumber(value: LiteralValue, from: DataType, to: DataType): LiteralValue | undefined {
  if (!isInteger(from) || (typeof value !== 'number' && typeof value !== 'bigint')) return undefined
  const exact = BigInt(value)
  if (isFloat(to)) {
    // Beyond 2^53 rounding twice could differ from the conversion of a row.
    return Number.isSafeInteger(Number(exact)) && to.kind === 'float64' ? Number(exact) : undefined
  }
  const range = to.kind === 'boolean' ? undefined : findIntegerRange(to)
  return range !== undefined && exact >= range[0] && exact <= range[1] ? exact : undefined
}
