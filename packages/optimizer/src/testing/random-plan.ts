/** Random plans over small tables with nulls, NaN, both zeroes and values near overflow. */
import { type DataType as AnyDataType, makeSchema } from '@spillway/columnar'
import {
  col,
  DataType,
  type Expr,
  len,
  lit,
  type LiteralValue,
  type LogicalNode,
  makeInMemory,
  makeScanParquet,
  when,
} from '@spillway/plan'
import { concat, Frame, generated } from '../golden/frame.ts'
import type { Row } from './naive-expr.ts'
import type { NaiveSources } from './naive-plan.ts'

/** Numbers in [0, 1) from a seed (mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const columns: Readonly<Record<string, AnyDataType>> = {
  a: DataType.Int32,
  b: DataType.Int64,
  x: DataType.Float64,
  s: DataType.Utf8,
  f: DataType.Bool,
}

const samples: Readonly<Record<string, readonly LiteralValue[]>> = {
  a: [0, 1, -1, 2, 5, 2147483647, null],
  b: [0n, 1n, -3n, 2n ** 62n, null],
  x: [0, -0, 1.5, -2, Number.NaN, Number.POSITIVE_INFINITY, null],
  s: ['', 'a', 'b', 'long enough to be outside', null],
  f: [true, false, null],
}

type Kind = 'boolean' | 'number' | 'utf8'

export class PlanGenerator {
  readonly #random: () => number
  readonly sources: { files: Map<string, Row[]>; tables: Map<object, Row[]> } & NaiveSources = {
    files: new Map(),
    tables: new Map(),
  }

  constructor(seed: number) {
    this.#random = makeRandom(seed)
  }

  plan(): LogicalNode {
    let frame = this.#source()
    const steps = 1 + this.#below(6)
    for (let step = 0; step < steps; step++) frame = this.#step(frame)
    return frame.plan
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T
  }

  #source(): Frame {
    const choice = this.#below(5)
    if (choice === 0) return generated(this.#below(8))
    const rows = Array.from({ length: this.#below(9) }, () =>
      Object.fromEntries(Object.entries(samples).map(([name, values]) => [name, this.#pick(values)])),
    )
    const schema = makeSchema(Object.entries(columns).map(([name, type]) => ({ name, type, nullable: true })))
    if (choice < 3) {
      const file = `${this.sources.files.size}.parquet`
      this.sources.files.set(file, rows)
      return new Frame(
        makeScanParquet({
          files: [file],
          fileSchema: schema,
          columns: undefined,
          predicate: undefined,
          slice: undefined,
        }),
      )
    }
    const table = {}
    this.sources.tables.set(table, rows)
    return new Frame(makeInMemory({ schema, rowCount: rows.length, table, columns: undefined, slice: undefined }))
  }

  /** One more operation; when its random expression does not type-check, another try. */
  #step(frame: Frame): Frame {
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        return this.#tryStep(frame)
      } catch (error) {
        if (!(error instanceof Error) || !('code' in error)) throw error
      }
    }
    return frame
  }

  #tryStep(frame: Frame): Frame {
    const names = frame.plan.schema.fields.map((field) => field.name)
    const choice = this.#below(14)
    if (choice < 4) return frame.filter(this.#expr('boolean', frame, 3))
    if (choice < 6)
      return frame.withColumns(this.#expr(this.#kind(), frame, 2).alias(this.#pick([...names, 'new', 'more'])))
    if (choice === 6) {
      const chosen = names.filter(() => this.#random() < 0.6)
      return frame.select(...chosen, this.#expr(this.#kind(), frame, 2).alias('made'))
    }
    if (choice === 7) return frame.slice(this.#below(3), this.#pick([0, 1, 3, 7, Number.POSITIVE_INFINITY]))
    if (choice === 8) return this.#groupBy(frame, names)
    if (choice === 9) {
      const keys = Array.from({ length: 1 + this.#below(3) }, () => this.#expr(this.#kind(), frame, 1))
      const flags = () => keys.map(() => this.#random() < 0.5)
      const sorted = frame.sort(keys, flags(), flags())
      return this.#random() < 0.4 ? sorted.slice(this.#below(3), this.#pick([0, 1, 3, 7])) : sorted
    }
    if (choice === 10) return this.#numbered(frame, names)
    if (choice < 13) return this.#join(frame)
    const other = frame.filter(this.#expr('boolean', frame, 2))
    return concat(frame, this.#random() < 0.5 ? other : concat(other, frame.slice(0, 2)))
  }

  /** Row numbers with gaps have no values to compare, but an order. */
  #numbered(frame: Frame, names: readonly string[]): Frame {
    if (this.#random() < 0.4) return frame.ordinal('row', this.#pick([0, 10]))
    const kept = names.filter(() => this.#random() < 0.7)
    const filtered = frame.ordinal('row').filter(this.#expr('boolean', frame, 2))
    const cut = this.#random() < 0.3 ? filtered.slice(1, 3) : filtered
    return cut.sort(['row'], [true]).select(...kept, lit(1).alias('kept'))
  }

  #join(frame: Frame): Frame {
    let other = this.#random() < 0.3 ? frame : this.#source()
    if (this.#random() < 0.5) other = other.filter(this.#expr('boolean', other, 2))
    if (this.#random() < 0.2) return frame.join(other.slice(0, 3), 'cross', [], [])
    const how = this.#pick(['inner', 'inner', 'left', 'right', 'full', 'semi', 'anti'] as const)
    const pairs = Array.from({ length: 1 + this.#below(2) }, () => {
      const kind = this.#kind()
      const depth = this.#random() < 0.6 ? 0 : 1
      return [this.#expr(kind, frame, depth), this.#expr(kind, other, depth)] as const
    })
    const joined = frame.join(
      other,
      how,
      pairs.map(([left]) => left),
      pairs.map(([, right]) => right),
      this.#random() < 0.3,
    )
    // Mostly a condition on what comes out, since that is what may move.
    const filtered = this.#random() < 0.7 ? joined.filter(this.#expr('boolean', joined, 2)) : joined
    return this.#random() < 0.2 ? filtered.guard(other, this.#pick(other.plan.schema.fields).name) : filtered
  }

  #groupBy(frame: Frame, names: readonly string[]): Frame {
    const keys = names.filter(() => this.#random() < 0.4)
    const number = this.#expr('number', frame, 1)
    return frame.groupBy(
      keys,
      len().alias('n'),
      number.min().alias('least'),
      col(this.#pick(names)).count().alias('present'),
      this.#expr('boolean', frame, 1).sum().alias('trues'),
    )
  }

  #kind(): Kind {
    return this.#pick(['boolean', 'number', 'number', 'utf8'] as const)
  }

  #column(kind: Kind, frame: Frame): Expr | undefined {
    const fits = frame.plan.schema.fields.filter(({ type }) =>
      kind === 'number' ? /int|float/.test(type.kind) : type.kind === kind,
    )
    return fits.length === 0 ? undefined : col(this.#pick(fits).name)
  }

  #expr(kind: Kind, frame: Frame, depth: number): Expr {
    if (depth === 0 || this.#random() < 0.15) {
      const column = this.#column(kind, frame)
      if (column !== undefined && this.#random() < 0.75) return column
      const literals = { boolean: [true, false], number: [0, 1, 2, -1.5, 3n], utf8: ['a', 'b', ''] }[kind]
      return lit(this.#pick<LiteralValue>(literals))
    }
    const next = (of: Kind) => this.#expr(of, frame, depth - 1)
    if (this.#random() < 0.12) return when(next('boolean')).then(next(kind)).otherwise(next(kind)) as Expr
    if (this.#random() < 0.1) return next(kind).fillNull(next(kind))
    if (kind === 'utf8') return this.#random() < 0.3 ? next('number').cast(DataType.Utf8) : next('utf8')
    if (kind === 'number') {
      const left = next('number')
      const method = this.#pick(['add', 'sub', 'mul', 'div', 'mod', 'negate', 'cast', 'lenient'] as const)
      if (method === 'negate') return left.negate()
      if (method === 'cast') return left.cast(DataType.Int32)
      return method === 'lenient' ? left.cast(DataType.Int32, false) : left[method](next('number'))
    }
    const method = this.#pick([
      'and',
      'and',
      'or',
      'not',
      'isNull',
      'isNotNull',
      'isIn',
      'compare',
      'compare',
      'compare',
    ] as const)
    if (method === 'and' || method === 'or') return next('boolean')[method](next('boolean'))
    if (method === 'not') return next('boolean').not()
    if (method === 'isIn') return next('number').isIn([0, 1, 5])
    const compared = this.#pick(['number', 'number', 'utf8'] as const)
    if (method !== 'compare') return next(compared)[method]()
    return next(compared)[this.#pick(['eq', 'neq', 'lt', 'ltEq', 'gt', 'gtEq'] as const)](next(compared))
  }
}
