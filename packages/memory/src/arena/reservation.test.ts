/**
 * Promises of pages: what is guaranteed, what is asked for, and pages set aside for a phase that must not be refused.
 */
import { expect, it } from 'vitest'
import { Arena } from './arena.ts'
import { Reservation } from './reservation.ts'

function open(guaranteedPages: number, reservable: number) {
  const arena = Arena.create(0, 256)
  arena.setCeiling(reservable)
  arena.kernels.reserve(guaranteedPages)
  const state = { refusing: false, pressed: false }
  const reservation = new Reservation({
    arena,
    owner: 1,
    guaranteedPages,
    maxPages: 200,
    onChange: () => {},
    shouldRefuse: () => state.refusing,
    isPressed: () => state.pressed,
  })
  return { arena, reservation, state }
}

it('grants guaranteed pages without asking, and gives back what it asked for', () => {
  const { arena, reservation, state } = open(4, 10)
  state.refusing = true
  const own = [1, 2, 3, 4].map(() => reservation.take(1))
  expect(own.every((address) => address !== 0)).toBe(true)
  expect(reservation.take(1)).toBe(0)
  state.refusing = false
  const extra = reservation.take(6)
  expect(extra).not.toBe(0)
  expect([reservation.take(1), arena.reservedPages]).toEqual([0, 10])
  reservation.give(extra, 6)
  expect(arena.reservedPages).toBe(4)
})

it('keeps pages aside that a later phase gets without asking', () => {
  const { arena, reservation, state } = open(10, 30)
  reservation.setAside(4)
  const merged = Array.from({ length: 26 }, () => reservation.take(1))
  expect(merged.every((address) => address !== 0)).toBe(true)
  expect([reservation.take(1), arena.usedPages, arena.reservedPages]).toEqual([0, 26, 30])
  reservation.takeBack(4)
  state.refusing = true
  // Again and again: a page of them that is given back stays promised, also while more than the guaranteed are in use.
  for (let round = 0; round < 3; round++) {
    const pages = [1, 2, 3, 4].map(() => reservation.take(1))
    expect(pages.every((address) => address !== 0)).toBe(true)
    expect(reservation.take(1)).toBe(0)
    for (const page of pages) reservation.give(page, 1)
    reservation.give(merged.pop() as number, 1)
  }
  expect(arena.reservedPages).toBe(arena.usedPages + 4)
  for (const page of merged) reservation.give(page, 1)
  reservation.endAside()
  expect([arena.usedPages, arena.reservedPages]).toEqual([0, 10])
})

it('asks for no single page above the guaranteed ones while a query waits, but for long runs', () => {
  const { arena, reservation, state } = open(2, 10)
  state.pressed = true
  expect([reservation.take(1), reservation.take(1)].every((address) => address !== 0)).toBe(true)
  expect([reservation.take(1), arena.reservedPages]).toEqual([0, 2])
  const run = reservation.take(3)
  expect(run).not.toBe(0)
  reservation.give(run, 3)
  state.pressed = false
  expect(reservation.take(1)).not.toBe(0)
})

it('hands pages over with a promise of their own, or not at all', () => {
  const { arena, reservation } = open(4, 10)
  const own = reservation.take(3)
  expect(own).not.toBe(0)
  // The guaranteed pages stay this worker's, so what is handed over is promised anew.
  expect(reservation.handOver(3)).toBe(true)
  expect([reservation.usedPages, arena.reservedPages]).toEqual([0, 7])
  expect(reservation.take(6)).not.toBe(0)
  expect(arena.reservedPages).toBe(9)
  expect(reservation.handOver(6)).toBe(false)
  expect([reservation.usedPages, arena.reservedPages]).toEqual([6, 9])
  expect(reservation.handOver(2)).toBe(true)
  expect([reservation.usedPages, arena.reservedPages]).toEqual([4, 9])
  reservation.close()
  expect(arena.reservedPages).toBe(9)
})
