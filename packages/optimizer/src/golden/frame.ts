/** Plans of golden tests, written as users write them: a thin fluent cover over the node constructors. */
import type { DataType as AnyDataType } from '@spillway/columnar'
import { makeSchema } from '@spillway/columnar'
import {
  coerce,
  col,
  type Expr,
  findSupertype,
  type JoinHow,
  type JoinOutput,
  len,
  type LogicalNode,
  makeAggregation,
  makeConcat,
  makeFilter,
  makeGenerated,
  makeGuard,
  makeInMemory,
  makeJoin,
  makeOrdinal,
  makeProject,
  makeScanParquet,
  makeSlice,
  makeSort,
  nodeOf,
  outputNameOf,
  typeExpr,
} from '@spillway/plan'
import { makeError } from '@spillway/stdx'

type Columns = Readonly<Record<string, AnyDataType>>
type Selector = string | Expr

const asExpr = (selector: Selector): Expr => (typeof selector === 'string' ? (col(selector) as Expr) : selector)

export class Frame {
  readonly plan: LogicalNode

  constructor(plan: LogicalNode) {
    this.plan = plan
  }

  filter(predicate: Expr): Frame {
    return new Frame(makeFilter(this.plan, typeExpr(predicate.node, this.plan.schema)))
  }

  select(...selectors: Selector[]): Frame {
    return new Frame(makeProject(this.plan, this.#named(selectors)))
  }

  withColumns(...selectors: Selector[]): Frame {
    const added = this.#named(selectors)
    const kept = this.#named(this.plan.schema.fields.map((field) => field.name))
    const exprs = kept.map((named) => added.find(({ name }) => name === named.name) ?? named)
    return new Frame(makeProject(this.plan, [...exprs, ...added.filter((named) => !exprs.includes(named))]))
  }

  groupBy(keys: Selector[], ...aggregates: Expr[]): Frame {
    const outputs = aggregates.map((aggregate) => aggregate.node)
    return new Frame(makeAggregation(this.plan, this.#named(keys), outputs))
  }

  sort(keys: Selector[], descending: readonly boolean[] = [], nullsLast: readonly boolean[] = []): Frame {
    const sortKeys = this.#named(keys).map(({ expr }, index) => ({
      expr,
      descending: descending[index] ?? false,
      nullsLast: nullsLast[index] ?? false,
    }))
    return new Frame(makeSort(this.plan, sortKeys, undefined))
  }

  /** Keys pairwise; all columns of both sides come out, those of the right one with a suffix where names meet. */
  join(other: Frame, how: JoinHow, leftKeys: Selector[], rightKeys: Selector[], nullsEqual = false): Frame {
    const rights = other.#named(rightKeys)
    const pairs = this.#named(leftKeys).map(({ expr }, index) => {
      const right = (rights[index] as (typeof rights)[number]).expr
      const type = findSupertype(expr.type, right.type)
      if (type === undefined) throw makeError('TYPE_MISMATCH', 'keys have no common type')
      return { left: coerce(expr, type), right: coerce(right, type) }
    })
    const names = this.plan.schema.fields.map(({ name }) => name)
    const outputs: JoinOutput[] = names.map((name) => ({ name, side: 'left', column: name }))
    if (how !== 'semi' && how !== 'anti') {
      for (const { name } of other.plan.schema.fields) {
        outputs.push({ name: names.includes(name) ? `${name}_right` : name, side: 'right', column: name })
      }
    }
    return new Frame(
      makeJoin(this.plan, other.plan, {
        how,
        leftKeys: pairs.map(({ left }) => left),
        rightKeys: pairs.map(({ right }) => right),
        nullsEqual,
        buildSide: 'auto',
        outputs,
      }),
    )
  }

  ordinal(name: string, denseFrom?: number): Frame {
    return new Frame(makeOrdinal(this.plan, name, denseFrom))
  }

  /** The rows, unless another frame has more than one row of some key. */
  guard(other: Frame, key: string): Frame {
    const violations = other.groupBy([key], len()).filter(col('len').gt(1))
    const check = { side: 'right', keys: [`col("${key}")`], validate: 'm:1' } as const
    return new Frame(makeGuard(this.plan, violations.plan, check))
  }

  slice(offset: number, length: number): Frame {
    return new Frame(makeSlice(this.plan, offset, length))
  }

  #named(selectors: readonly Selector[]) {
    return selectors.map((selector) => {
      const node = nodeOf(asExpr(selector))
      return { name: outputNameOf(node), expr: typeExpr(node, this.plan.schema) }
    })
  }
}

function schemaOf(columns: Columns) {
  return makeSchema(Object.entries(columns).map(([name, type]) => ({ name, type, nullable: true })))
}

export function scan(file: string, columns: Columns): Frame {
  const fileSchema = schemaOf(columns)
  return new Frame(
    makeScanParquet({ files: [file], fileSchema, columns: undefined, predicate: undefined, slice: undefined }),
  )
}

export function memory(rowCount: number, columns: Columns): Frame {
  return new Frame(
    makeInMemory({ schema: schemaOf(columns), rowCount, table: {}, columns: undefined, slice: undefined }),
  )
}

export function generated(rowCount: number): Frame {
  const type = { kind: 'int64' } as const
  return new Frame(
    makeGenerated({
      rowCount,
      columns: [
        { kind: 'intRange', name: 'key', start: 0n, step: 1n, type },
        { kind: 'repeat', name: 'payload', value: 'x'.repeat(8), type: { kind: 'utf8' } },
      ],
      slice: undefined,
    }),
  )
}

export function concat(...frames: Frame[]): Frame {
  return new Frame(makeConcat(frames.map((frame) => frame.plan)))
}
