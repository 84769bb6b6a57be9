/** Refusals against a table that is played: what is spilled when, and that it ends. */
import { expect, it } from 'vitest'
import type { GroupTable } from './group-table.ts'
import { Refusals } from './refusals.ts'

class PlayedTable {
  jobProgress = 0
  readonly bytes = [3, 9, 5]
  readonly spilled: number[] = []
  statuses: ('done' | 'refused')[] = []
  /** Rows that get done before each further refusal. */
  progressPerResume = 0

  largestPartition(): number {
    const largest = Math.max(...this.bytes)
    return largest === 0 ? -1 : this.bytes.indexOf(largest)
  }
  resume(): 'done' | 'refused' {
    this.jobProgress += this.progressPerResume
    return this.statuses.shift() ?? 'done'
  }
}

function play(table: PlayedTable, askOthers?: () => number): Refusals {
  return new Refusals(
    table as unknown as GroupTable,
    (partition) => {
      table.spilled.push(partition)
      table.bytes[partition] = 0
    },
    () => new Error('no room'),
    askOthers,
  )
}

it('spills the largest partition for each refusal, as long as rows get done between them', () => {
  const table = new PlayedTable()
  table.statuses = ['refused', 'refused']
  table.progressPerResume = 1
  play(table).settle('refused')
  expect(table.spilled).toEqual([1, 2, 0])
})

it('spills everything after a refusal without progress, then gives up', () => {
  const table = new PlayedTable()
  table.statuses = ['refused']
  const refusals = play(table)
  refusals.settle('refused')
  expect(table.spilled).toEqual([1, 2, 0])
  // A page was given and holds no row: spilling it again and again would never end.
  table.bytes[0] = 1
  expect(() => refusals.makeRoom()).toThrow('no room')
})

it('gives up at once when nothing is left to spill', () => {
  const table = new PlayedTable()
  table.bytes.fill(0)
  expect(() => play(table).settle('refused')).toThrow('no room')
})

it('asks others when nothing is left to spill, until they have nothing either', () => {
  const table = new PlayedTable()
  table.bytes.fill(0)
  table.statuses = ['refused', 'done', 'refused', 'refused', 'refused']
  const others = [4, 1, 2]
  const refusals = play(table, () => others.shift() ?? 0)
  refusals.settle('refused')
  expect(others).toEqual([2])
  expect(() => refusals.settle('refused')).toThrow('no room')
  expect(others).toEqual([])
})
