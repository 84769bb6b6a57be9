/**
 * The account of the process: its resident memory is one, however many engines use it, also engines of several copies
 * of this package. Every engine's limit bounds the process, so what is free below the limit is divided among the
 * engines that run queries: each may touch its share until it looks again, and together they touch no more than there
 * is.
 *
 * Engines in other threads are not seen here; what they hold counts as resident, like everything else of the program.
 */

/** What engines know of each other. */
export interface Account {
  /** Bytes that it may still come to hold, of its arena and of its heaps, as it was told last. */
  promisedBytes: number
  /** Of its heaps alone, while queries run. */
  growthBytes: number
  /** The least limit of its queries: all of the process keeps to the least of all. */
  limitBytes: number
  /** It has admitted queries. */
  isRunning: boolean
  /** For how long its programs have taken no batch of what it streams; 0 when it gets on. */
  readonly stalledMs: () => number
  /** Another engine came or went: shares have changed. */
  readonly onChange: () => void
}

const KEY = Symbol.for('spillway.account')

function accounts(): Set<Account> {
  const shared = globalThis as typeof globalThis & { [KEY]?: Set<Account> }
  shared[KEY] ??= new Set()
  return shared[KEY]
}

/** An engine is about to run queries; those that do make room for it. */
export function openAccount(account: Account): void {
  accounts().add(account)
  tellOthers(account)
}

/** Its queries have ended; others may wait. */
export function settleAccount(account: Account): void {
  account.promisedBytes = 0
  account.growthBytes = 0
  account.isRunning = false
  tellOthers(account)
}

/** It has no queries any more. */
export function closeAccount(account: Account): void {
  account.limitBytes = Number.POSITIVE_INFINITY
  accounts().delete(account)
  settleAccount(account)
}

function tellOthers(account: Account): void {
  for (const other of accounts()) if (other !== account) other.onChange()
}

/** False: the engine runs no query, and asks only what one would need. */
export function isOpen(account: Account): boolean {
  return accounts().has(account)
}

/** The other engines that are about to run queries, or do. */
export function otherAccounts(account: Account): Account[] {
  return [...accounts()].filter((other) => other !== account)
}

/** Bytes that the others may still come to hold. */
export function promisedToOthers(account: Account): number {
  return otherAccounts(account).reduce((sum, { promisedBytes }) => sum + promisedBytes, 0)
}
