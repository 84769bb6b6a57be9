/** Engines of one process share what is free, and tell each other when that changes. */
import { afterEach, expect, it } from 'vitest'
import {
  type Account,
  closeAccount,
  openAccount,
  otherAccounts,
  promisedToOthers,
  settleAccount,
} from './process-account.ts'

const opened: Account[] = []
afterEach(() => {
  for (const account of opened.splice(0)) closeAccount(account)
})

function open(): Account & { changes: number } {
  const account = {
    ...{ promisedBytes: 0, growthBytes: 0, limitBytes: 1, isRunning: false, changes: 0 },
    stalledMs: () => 0,
    onChange: () => {
      account.changes += 1
    },
  }
  opened.push(account)
  openAccount(account)
  return account
}

it('sees the others, what they were promised, and when they come, end and go', () => {
  const first = open()
  expect(otherAccounts(first)).toEqual([])
  const second = open()
  expect(first.changes).toBe(1)
  expect(second.changes).toBe(0)
  expect(otherAccounts(first)).toEqual([second])
  second.promisedBytes = 5
  second.isRunning = true
  expect(promisedToOthers(first)).toBe(5)
  expect(promisedToOthers(second)).toBe(0)
  settleAccount(second)
  expect(first.changes).toBe(2)
  expect(promisedToOthers(first)).toBe(0)
  expect(second.isRunning).toBe(false)
  closeAccount(second)
  expect(otherAccounts(first)).toEqual([])
  expect(first.changes).toBe(3)
})

it('is one for all copies of the module', () => {
  const first = open()
  const shared = (globalThis as unknown as Record<symbol, Set<Account>>)[Symbol.for('spillway.account')]
  expect([...(shared ?? [])]).toEqual([first])
})
