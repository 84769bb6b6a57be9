/**
 * Assertions for programmer errors: a failed one is our bug, never the user's.
 */
import { InternalError } from './errors.ts'

/** Throws an `InternalError` when `condition` is false. Message is a sentence that states what must hold. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InternalError('INVARIANT', `Invariant broken: ${message}`)
}

/** Marks a switch as exhaustive: a forgotten case is a compile error, and an InternalError if it is reached. */
export function unreachable(value: never): never {
  throw new InternalError('INVARIANT', `Unreachable case: ${JSON.stringify(value)}`)
}
