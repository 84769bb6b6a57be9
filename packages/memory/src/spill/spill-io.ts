/**
 * Synchronous positional file I/O for spill files: whole transfers or a typed error.
 *
 * A disk or quota that is full is SPILL_DISK_FULL, everything else that the system refuses is SPILL_IO; both name the
 * path, the bytes and the system's code. Runs on a worker, inside its pull loop; blocks that worker only.
 */
import { makeError, type SpillwayError } from '@spillway/stdx'
import { type FaultPlan, type FileCalls, faultyFileCalls, nodeFileCalls } from './file-calls.ts'

export interface SpillIo {
  /** Writes all bytes of `views`, one after the other, from `position` on. Creates the file. */
  readonly writeAt: (path: string, views: readonly Uint8Array[], position: number) => void
  /** Fills `target` as far as the file goes. @returns bytes read; fewer than asked for only at the end of the file */
  readonly readAt: (path: string, target: Uint8Array, position: number) => number
  readonly truncate: (path: string, bytes: number) => void
  /** Removes the file if it is there. */
  readonly remove: (path: string) => void
  readonly size: (path: string) => number
}

/** @param faults makes one operation fail (tests); undefined for the plain disk */
export function createSpillIo(faults: FaultPlan | undefined = undefined): SpillIo {
  const calls = faults === undefined ? nodeFileCalls : faultyFileCalls(nodeFileCalls, faults)
  return {
    writeAt: (path, views, position) => writeAll(calls, path, views, position),
    readAt: (path, target, position) => readAll(calls, path, target, position),
    truncate: (path, bytes) => attempt('truncate', path, bytes, () => calls.truncate(path, bytes)),
    remove: (path) => attempt('remove', path, 0, () => calls.remove(path)),
    size: (path) => attempt('inspect', path, 0, () => calls.size(path)),
  }
}

function writeAll(calls: FileCalls, path: string, views: readonly Uint8Array[], position: number): void {
  let pending = views.filter((view) => view.byteLength > 0)
  const total = pending.reduce((sum, view) => sum + view.byteLength, 0)
  let written = 0
  while (pending.length > 0) {
    const views = pending
    const moved = attempt('write', path, total, () => calls.write(path, views, position + written))
    if (moved === 0) throw ioError('write', path, total, undefined, 'the system took no byte')
    written += moved
    pending = dropBytes(pending, moved)
  }
}

/** What is left of `views` after their first `bytes` bytes. */
function dropBytes(views: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skipped = bytes
  const rest: Uint8Array[] = []
  for (const view of views) {
    if (skipped >= view.byteLength) {
      skipped -= view.byteLength
    } else {
      rest.push(skipped === 0 ? view : view.subarray(skipped))
      skipped = 0
    }
  }
  return rest
}

function readAll(calls: FileCalls, path: string, target: Uint8Array, position: number): number {
  let filled = 0
  while (filled < target.byteLength) {
    const rest = target.subarray(filled)
    const moved = attempt('read', path, target.byteLength, () => calls.read(path, rest, position + filled))
    if (moved === 0) break
    filled += moved
  }
  return filled
}

type Operation = 'read' | 'write' | 'truncate' | 'remove' | 'inspect'

function attempt<T>(operation: Operation, path: string, bytes: number, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw ioError(operation, path, bytes, cause, cause instanceof Error ? cause.message : String(cause))
  }
}

function ioError(operation: Operation, path: string, bytes: number, cause: unknown, reason: string): SpillwayError {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code
  const details = { path, bytes, errno, operation }
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return makeError(
      'SPILL_DISK_FULL',
      `Spill disk is full: cannot write ${bytes} bytes to "${path}" (${errno}). ` +
        'Free disk space or set tempDir to a larger disk.',
      details,
      { cause },
    )
  }
  return makeError(
    'SPILL_IO',
    `Spill file operation failed: ${operation} of "${path}" (${reason}). Check the disk behind tempDir.`,
    details,
    { cause },
  )
}
