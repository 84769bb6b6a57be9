/** How an error crosses a thread: packed as plain data, and rebuilt with the same class and code. */
import { addressSpaceError, isOutOfAddressSpace } from './address-space.ts'
import { type ErrorCode, type ErrorDetails, makeError, SpillwayError } from './errors.ts'

/** How an error crosses a thread. */
export interface ErrorEnvelope {
  readonly code: ErrorCode
  readonly message: string
  readonly details: ErrorDetails
  readonly stack: string | undefined
}

/** Packs any thrown value; what is not ours becomes `WORKER_FAILED` with its text and stack kept. */
export function toEnvelope(error: unknown): ErrorEnvelope {
  if (error instanceof SpillwayError) {
    return { code: error.code, message: error.message, details: error.details, stack: error.stack }
  }
  if (isOutOfAddressSpace(error)) return toEnvelope(addressSpaceError('a worker could not start', error))
  const plain = error instanceof Error ? error : new Error(String(error))
  return {
    code: 'WORKER_FAILED',
    message: `Unexpected error in a worker: ${plain.name}: ${plain.message}`,
    details: {},
    stack: plain.stack,
  }
}

/** Rebuilds an error with its class, code and worker stack. */
export function fromEnvelope(envelope: ErrorEnvelope): SpillwayError {
  const error = makeError(envelope.code, envelope.message, envelope.details)
  if (envelope.stack !== undefined) error.stack = envelope.stack
  return error
}
