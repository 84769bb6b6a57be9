/**
 * Patterns of paths, matched without backtracking: a pattern becomes a nondeterministic automaton, and a walk over
 * directories carries the set of its states, one segment at a time. So a name costs its length times the states that
 * are alive, however many stars, braces and `**` a pattern has, and a directory is listed once.
 *
 *   *  any characters of a name    ?  one character    [a-z] [!a]  one of, none of    {a,b}  either    **  directories
 *
 * Wildcards do not match a dot at the beginning of a name. A bracket or brace without its partner is a character.
 * K. Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968.
 */
import { makeError } from '@spillway/stdx'

/** Braces within braces; more is a mistake, or malice. */
const BRACE_DEPTH_MAX = 50
const PATTERN_LENGTH_MAX = 65_536

type Node =
  | { readonly kind: 'character'; readonly character: string }
  /** One character for which `test` holds; a wildcard. */
  | { readonly kind: 'class'; readonly test: (character: string) => boolean }
  /** Stays, or goes on without a character. */
  | { readonly kind: 'star' }
  /** Whole directories, each with its separator, or none. */
  | { readonly kind: 'directories' }
  /** Goes on at every one of these. */
  | { readonly kind: 'split'; targets: readonly number[] }

export interface Glob {
  /** States before the first segment. */
  readonly start: readonly number[]
  /**
   * States after a segment and the separator behind it; none: nothing below can match.
   * @param mayDescend false: the segment is a link to a directory, which `**` does not follow
   */
  enter(states: readonly number[], name: string, mayDescend: boolean): number[]
  /** The pattern ends with a file of that name. */
  accepts(states: readonly number[], name: string): boolean
}

/** True when a path is more than a name. */
export function hasWildcards(path: string): boolean {
  return /[*?[{]/.test(path)
}

/** @param pattern segments separated by `/` @throws PlanError INVALID_OPTION when it is too long or too deep */
export function compileGlob(pattern: string): Glob {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    const text = `Glob pattern too long: ${pattern.length} characters, at most ${PATTERN_LENGTH_MAX}.`
    throw makeError('INVALID_OPTION', `${text} Give a list of paths.`, {})
  }
  return new Automaton(new Compiler(pattern).compile())
}

class Compiler {
  readonly #pattern: string
  readonly #nodes: Node[] = []
  /** Of an opening brace with a partner: where it closes, and its commas. */
  readonly #groups = new Map<number, { readonly close: number; readonly commas: number[] }>()

  constructor(pattern: string) {
    this.#pattern = pattern
    const open: { readonly at: number; readonly commas: number[] }[] = []
    for (let i = 0; i < pattern.length; i++) {
      const character = pattern.charAt(i)
      if (character === '{') open.push({ at: i, commas: [] })
      else if (character === ',') open.at(-1)?.commas.push(i)
      else if (character === '}') {
        const group = open.pop()
        if (group !== undefined) this.#groups.set(group.at, { close: i, commas: group.commas })
      }
    }
  }

  compile(): readonly Node[] {
    this.#compileRange(0, this.#pattern.length, 0)
    return this.#nodes
  }

  #compileRange(from: number, to: number, depth: number): void {
    for (let i = from; i < to; ) {
      const group = this.#groups.get(i)
      if (group !== undefined && group.close < to) {
        this.#compileGroup(i, group, depth + 1)
        i = group.close + 1
      } else i = this.#compileOne(i, to)
    }
  }

  /** A split to the choices; each ends in a split to what follows the brace. */
  #compileGroup(open: number, { close, commas }: { close: number; commas: readonly number[] }, depth: number): void {
    if (depth > BRACE_DEPTH_MAX) {
      const text = `Glob pattern has braces within braces ${depth} deep, at most ${BRACE_DEPTH_MAX}.`
      throw makeError('INVALID_OPTION', `${text} Give a list of paths.`, {})
    }
    const fork: Node & { kind: 'split' } = { kind: 'split', targets: [] }
    this.#nodes.push(fork)
    const starts: number[] = []
    const ends: (Node & { kind: 'split' })[] = []
    const bounds = [open, ...commas, close]
    for (let choice = 0; choice + 1 < bounds.length; choice++) {
      starts.push(this.#nodes.length)
      this.#compileRange((bounds[choice] ?? 0) + 1, bounds[choice + 1] ?? 0, depth)
      const end: Node & { kind: 'split' } = { kind: 'split', targets: [] }
      this.#nodes.push(end)
      ends.push(end)
    }
    fork.targets = starts
    for (const end of ends) end.targets = [this.#nodes.length]
  }

  /** @returns where the next part begins */
  #compileOne(i: number, to: number): number {
    const character = this.#pattern.charAt(i)
    if (character === '*') return this.#compileStars(i, to)
    if (character === '?') {
      this.#nodes.push({ kind: 'class', test: () => true })
      return i + 1
    }
    // The first character of a class may be a bracket.
    const close = character === '[' ? this.#pattern.indexOf(']', i + (this.#pattern[i + 1] === '!' ? 3 : 2)) : -1
    if (close > 0 && close < to && !this.#pattern.slice(i, close).includes('/')) {
      this.#nodes.push({ kind: 'class', test: classTest(this.#pattern.slice(i + 1, close)) })
      return close + 1
    }
    const whole = String.fromCodePoint(this.#pattern.codePointAt(i) ?? 0)
    this.#nodes.push({ kind: 'character', character: whole })
    return i + whole.length
  }

  /** Two stars that are a whole segment stand for directories, at the end for all files below. */
  #compileStars(i: number, to: number): number {
    let end = i
    while (end < to && this.#pattern.charAt(end) === '*') end++
    const before = i === 0 ? '/' : this.#pattern.charAt(i - 1)
    const after = this.#pattern.charAt(end) || '/'
    if (end - i === 2 && /[/{,]/.test(before) && /[/},]/.test(after)) {
      this.#nodes.push({ kind: 'directories' })
      if (this.#pattern.charAt(end) === '/') return end + 1
    }
    if (this.#nodes.at(-1)?.kind !== 'star') this.#nodes.push({ kind: 'star' })
    return end
  }
}

/** @param body between the brackets: characters and ranges; a leading `!` or `^` turns it round */
function classTest(body: string): (character: string) => boolean {
  const isNegated = /^[!^]/.test(body)
  const parts = [...(isNegated ? body.slice(1) : body)]
  const ranges: (readonly [number, number])[] = []
  for (let i = 0; i < parts.length; i++) {
    const isRange = parts[i + 1] === '-' && parts[i + 2] !== undefined
    const [low = '', high = ''] = [parts[i], isRange ? parts[i + 2] : parts[i]]
    ranges.push([low.codePointAt(0) ?? 0, high.codePointAt(0) ?? 0])
    if (isRange) i += 2
  }
  return (character) => {
    const code = character.codePointAt(0) ?? 0
    return ranges.some(([low, high]) => code >= low && code <= high) !== isNegated
  }
}

/**
 * A state is the index of a node; the one behind the last node is the end. A state within the name that `directories`
 * passes is the node's index plus the number of states.
 */
class Automaton implements Glob {
  readonly #nodes: readonly Node[]
  readonly #count: number
  /** For every state, the step in which it was added last. */
  readonly #seen: Uint32Array
  #step = 0
  readonly start: readonly number[]

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes
    this.#count = nodes.length + 1
    this.#seen = new Uint32Array(2 * this.#count)
    this.start = this.#closure([0])
  }

  enter(states: readonly number[], name: string, mayDescend: boolean): number[] {
    return this.#consume(this.#name(states, name, mayDescend), '/', false, mayDescend)
  }

  accepts(states: readonly number[], name: string): boolean {
    return this.#name(states, name, true).includes(this.#count - 1)
  }

  #name(states: readonly number[], name: string, mayDescend: boolean): readonly number[] {
    let alive = states
    let isFirst = true
    for (const character of name) {
      if (alive.length === 0) break
      alive = this.#consume(alive, character, isFirst, mayDescend)
      isFirst = false
    }
    return alive
  }

  #consume(states: readonly number[], character: string, isFirst: boolean, mayDescend: boolean): number[] {
    const isWild = character !== '/' && !(isFirst && character === '.')
    const next: number[] = []
    for (const state of states) {
      if (state >= this.#count) {
        // Within a directory that `**` passes.
        if (character === '/') next.push(state - this.#count)
        else next.push(state)
        continue
      }
      const node = this.#nodes[state]
      if (node === undefined) continue
      if (node.kind === 'character' && node.character === character) next.push(state + 1)
      if (node.kind === 'class' && isWild && node.test(character)) next.push(state + 1)
      if (node.kind === 'star' && isWild) next.push(state)
      if (node.kind === 'directories' && isFirst && isWild && mayDescend) next.push(state + this.#count)
    }
    return this.#closure(next)
  }

  /** With all states that are reached without a character, each once. */
  #closure(states: readonly number[]): number[] {
    const step = ++this.#step
    const reached: number[] = []
    const open = [...states]
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      if (this.#seen[state] === step) continue
      this.#seen[state] = step
      const node = this.#nodes[state]
      if (node?.kind === 'split') {
        open.push(...node.targets)
        continue
      }
      reached.push(state)
      if (node?.kind === 'star' || node?.kind === 'directories') open.push(state + 1)
    }
    return reached
  }
}
