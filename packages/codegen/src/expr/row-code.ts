/**
 * The code of one loop over rows, while it is being written: locals, the row's index, loaded columns, raising.
 *
 * Every sub-expression ends in locals, so a value can be used several times for nothing. Columns are loaded once per
 * row and block: what a branch loads is forgotten at its end, because the other branch did not load it.
 */
import { COLUMN_BYTES, column, type DataType, DESCRIPTOR_HEADER_BYTES, descriptor } from '@spillway/columnar'
import { block, call, type Code, i32, ifElse, local, loop, ret, select, type ValueType } from '../wasm/instructions.ts'
import type { FunctionBuilder, ModuleBuilder } from '../wasm/module-builder.ts'
import { elementAddress, loadWords, wordTypes } from './load-value.ts'
import { ONES_OFFSET } from './param-block.ts'

/** Whether a value is null: never, always, or not when the local holds 1. */
export type Validity = 'valid' | 'null' | number

/** A computed value: its words and validity in locals. */
export interface Value {
  readonly words: readonly number[]
  readonly valid: Validity
}

interface ColumnPointers {
  readonly values: number
  readonly validity: number
  readonly mask: number
}

/** Byte offset of a field of column `index` in a batch descriptor. */
export const columnField = (index: number, field: keyof typeof column): number =>
  DESCRIPTOR_HEADER_BYTES + index * COLUMN_BYTES + column[field]

export class RowCode {
  readonly builder: FunctionBuilder
  /** Function index of a kernel by name. */
  readonly kernel: (name: string) => number
  /** Locals of the descriptors and of the parameter block. */
  readonly batch: number
  readonly params: number
  /** Index of the current row in the batch. */
  readonly row: number
  /** False: this variant runs only when no used column has nulls. */
  readonly withNulls: boolean
  /** Next free byte of the string heap and its end, when the loop builds strings. */
  readonly heapCursor: number
  readonly heapEnd: number

  readonly #prologue: Code[] = []
  #statements: Code[] = []
  #columnScopes: Map<number, Value>[] = [new Map()]
  readonly #pointers = new Map<number, ColumnPointers>()
  readonly #literals = new Map<number, readonly number[]>()

  readonly #module: ModuleBuilder

  constructor(
    module: ModuleBuilder,
    builder: FunctionBuilder,
    kernel: (name: string) => number,
    locals: { readonly batch: number; readonly params: number },
    withNulls: boolean,
  ) {
    this.#module = module
    this.builder = builder
    this.kernel = kernel
    this.batch = locals.batch
    this.params = locals.params
    this.withNulls = withNulls
    this.row = builder.local('i32')
    this.heapCursor = builder.local('i32')
    this.heapEnd = builder.local('i32')
  }

  emit(...code: readonly Code[]): void {
    this.#statements.push(...code)
  }

  /** Adds a statement that runs once, before the loop. */
  emitOnce(...code: readonly Code[]): void {
    this.#prologue.push(...code)
  }

  /** Computes `code` into a new local. */
  let(type: ValueType, code: Code): number {
    const index = this.builder.local(type)
    this.emit(local.set(index, code))
    return index
  }

  /** Collects what `write` emits, as the body of a branch. */
  collect(write: () => void): Code {
    const outer = this.#statements
    const inner: Code[] = []
    this.#statements = inner
    this.#columnScopes.push(new Map())
    write()
    this.#columnScopes.pop()
    this.#statements = outer
    return inner
  }

  /**
   * Computes a boolean in a function of its own, called for this row: a function holds a bounded number of locals, and
   * engines take more than linear time to compile a long one. Strings are not built there.
   */
  outline(mayRaise: boolean, write: (inner: RowCode) => Value): Value {
    const builder = this.#module.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] })
    const inner = new RowCode(this.#module, builder, this.kernel, { batch: 0, params: 1 }, this.withNulls)
    inner.emitOnce(local.set(inner.row, local.get(2)))
    const { words, valid } = write(inner)
    const packed = i32.or(local.get(words[0] ?? 0), i32.shl(validityCode(valid), i32.const(1)))
    builder.emit(inner.#prologue, inner.#statements, packed)
    const operands = [local.get(this.batch), local.get(this.params), local.get(this.row)]
    const result = this.let('i32', call(builder.index, ...operands))
    if (mayRaise) this.emit(ifElse(i32.ltS(local.get(result), i32.const(0)), ret(i32.const(-1))))
    return {
      words: [this.let('i32', i32.and(local.get(result), i32.const(1)))],
      valid: valid === 'valid' ? 'valid' : this.let('i32', i32.shrU(local.get(result), i32.const(1))),
    }
  }

  /** The value of input column `index` in this row. */
  column(index: number, type: DataType): Value {
    for (const scope of this.#columnScopes) {
      const known = scope.get(index)
      if (known !== undefined) return known
    }
    const pointers = this.#columnPointers(index)
    const address = this.let('i32', elementAddress(type, local.get(pointers.values), local.get(this.row)))
    const types = wordTypes(type)
    const words = loadWords(type, local.get(address)).map((code, k) => this.let(types[k] ?? 'i32', code))
    // A column without validity reads the ones of the parameter block: its mask turns every row into 0.
    const valid: Validity = this.withNulls
      ? this.let(
          'i32',
          i32.load8U(i32.add(local.get(pointers.validity), i32.and(local.get(this.row), local.get(pointers.mask)))),
        )
      : 'valid'
    const value: Value = { words, valid: type.kind === 'null' ? 'null' : valid }
    this.#columnScopes.at(-1)?.set(index, value)
    return value
  }

  /** Local with the address of a column's values. */
  columnValues(index: number): number {
    return this.#columnPointers(index).values
  }

  /** The words of the literal at `offset` of the parameter block, loaded before the loop. */
  literal(offset: number, type: DataType): readonly number[] {
    const known = this.#literals.get(offset)
    if (known !== undefined) return known
    const types = wordTypes(type)
    const words = loadWords(type, local.get(this.params), offset).map((code, k) => {
      const index = this.builder.local(types[k] ?? 'i32')
      this.emitOnce(local.set(index, code))
      return index
    })
    this.#literals.set(offset, words)
    return words
  }

  /** Ends the function with -1 when `condition` holds, leaving code, row and site in the batch's error slot. */
  raiseIf(condition: Code, code: number, site: number): void {
    this.emit(
      ifElse(condition, [
        i32.store(local.get(this.batch), i32.const(code), descriptor.errorCode),
        i32.store(local.get(this.batch), local.get(this.row), descriptor.errorRow),
        i32.store(local.get(this.batch), i32.const(site), descriptor.errorSite),
        ret(i32.const(-1)),
      ]),
    )
  }

  /** The prologue, then a loop that runs the statements emitted so far from `counter` (0 at first) up to `count`. */
  finishLoop(counter: number, count: Code, rowIndex: Code): Code {
    const body = [
      local.set(this.row, rowIndex),
      this.#statements,
      local.set(counter, i32.add(local.get(counter), i32.const(1))),
      [i32.ltU(local.get(counter), count), 0x0d, 0],
    ]
    return [this.#prologue, block([[i32.geU(local.get(counter), count), 0x0d, 0], loop(body)]), []]
  }

  #columnPointers(index: number): ColumnPointers {
    const known = this.#pointers.get(index)
    if (known !== undefined) return known
    const [values, validity, mask] = [this.builder.local('i32'), this.builder.local('i32'), this.builder.local('i32')]
    this.emitOnce(local.set(values, i32.load(local.get(this.batch), columnField(index, 'values'))))
    if (this.withNulls) {
      const pointer = i32.load(local.get(this.batch), columnField(index, 'validity'))
      const ones = i32.add(local.get(this.params), i32.const(ONES_OFFSET))
      this.emitOnce(
        local.set(mask, select(i32.const(-1), i32.const(0), pointer)),
        local.set(validity, select(pointer, ones, local.get(mask))),
      )
    }
    const pointers = { values, validity, mask }
    this.#pointers.set(index, pointers)
    return pointers
  }
}

/** Code for a validity as 0 or 1. */
export function validityCode(valid: Validity): Code {
  if (valid === 'valid') return i32.const(1)
  return valid === 'null' ? i32.const(0) : local.get(valid)
}

/** Validity of a result that is null when either part is. */
export function bothValid(code: RowCode, a: Validity, b: Validity): Validity {
  if (a === 'null' || b === 'null') return 'null'
  if (a === 'valid') return b
  if (b === 'valid' || a === b) return a
  return code.let('i32', i32.and(local.get(a), local.get(b)))
}

/** Validity narrowed by `condition` (0 or 1). */
export function validAnd(code: RowCode, valid: Validity, condition: Code): Validity {
  if (valid === 'null') return 'null'
  return code.let('i32', valid === 'valid' ? condition : i32.and(local.get(valid), condition))
}

/** `condition`, but only for rows whose value counts. */
export function whereValid(valid: Validity, condition: Code): Code {
  if (valid === 'valid') return condition
  return valid === 'null' ? i32.const(0) : i32.and(local.get(valid), condition)
}
