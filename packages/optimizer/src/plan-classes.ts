/** Hash-consing: equal plans become the same object, so that what occurs twice is found by identity. */
import type { Schema } from '@spillway/columnar'
import { childrenOf, type LogicalNode, withChildren } from '@spillway/plan'

export class PlanClasses {
  readonly #byText = new Map<string, LogicalNode>()
  readonly #numbers = new Map<object, number>()

  /** The one object for all plans that are equal to this one. */
  intern(node: LogicalNode): LogicalNode {
    const own = withChildren(
      node,
      childrenOf(node).map((child) => this.intern(child)),
    )
    const text = this.#textOf(own)
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    this.#byText.set(text, own)
    return own
  }

  /** A number per object. */
  #numberOf(object: object): number {
    const number = this.#numbers.get(object) ?? this.#numbers.size
    this.#numbers.set(object, number)
    return number
  }

  /** All fields of a node, inputs by number. What follows from the others (the output schema) is left out. */
  #textOf(node: LogicalNode): string {
    const inputs = new Set<unknown>(childrenOf(node))
    const isOpaque = (key: string, value: unknown): boolean => inputs.has(value) || key === 'table'
    const parts = Object.entries(node)
      .filter(([key]) => key !== 'schema')
      .map(([key, value]) => `${key}:${this.#valueText(key, value, isOpaque)}`)
    return parts.join(';')
  }

  #valueText(key: string, value: unknown, isOpaque: (key: string, value: unknown) => boolean): string {
    if (typeof value === 'object' && value !== null) {
      if (isOpaque(key, value)) return `#${this.#numberOf(value)}`
      if (key === 'fileSchema') return schemaText(value as Schema)
      if (Array.isArray(value)) return `[${value.map((each) => this.#valueText('', each, isOpaque)).join()}]`
      const fields = Object.entries(value).map(([name, each]) => `${name}:${this.#valueText(name, each, isOpaque)}`)
      return `{${fields.join()}}`
    }
    if (typeof value === 'string') return JSON.stringify(value)
    if (typeof value === 'bigint') return `${value}n`
    return Object.is(value, -0) ? '-0' : String(value)
  }
}

const schemaTexts = new WeakMap<Schema, string>()

/** A file may have thousands of columns, and many plans name the same schema object. */
export function schemaText(schema: Schema): string {
  const known = schemaTexts.get(schema)
  if (known !== undefined) return known
  const text = JSON.stringify(schema.fields)
  schemaTexts.set(schema, text)
  return text
}

/** How many places refer to each distinct node of interned plans. */
export function countEdges(roots: readonly LogicalNode[]): Map<LogicalNode, number> {
  const edges = new Map<LogicalNode, number>()
  const visit = (node: LogicalNode): void => {
    const known = edges.get(node)
    edges.set(node, (known ?? 0) + 1)
    if (known === undefined) for (const child of childrenOf(node)) visit(child)
  }
  for (const root of roots) visit(root)
  return edges
}
