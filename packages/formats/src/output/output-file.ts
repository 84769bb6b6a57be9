/**
 * A file that workers write together: a header, bodies wherever a shared counter puts them, and a tail that lists them.
 *
 *   header | body b | body a | ... | tail
 *
 * The file has a temporary name until it is complete, so its name never stands for a part of it. What header, bodies
 * and tail are is the format's business (parquet/assemble-file.ts, ipc/assemble-ipc-file.ts).
 */
import { rmSync } from 'node:fs'
import { assert, makeError } from '@spillway/stdx'
import { type OutputCalls, systemOutput } from './output-calls.ts'

/** What follows the last body. */
export interface FileTail {
  /** Where it begins: the end of the last body. */
  readonly start: number
  /** May be made while they are written. */
  readonly pieces: Iterable<Uint8Array>
}

/** Creates the temporary file with its header. Main thread, before workers write. @throws OUTPUT_FAILED */
export function beginOutputFile(temporary: string, header: Uint8Array, calls = systemOutput): void {
  onOutput(temporary, () => {
    const descriptor = calls.open(temporary, 'wx')
    try {
      writeFully(calls, descriptor, header, 0)
    } finally {
      calls.close(descriptor)
    }
  })
}

/** Views that one system call takes at most. */
const VIEWS_PER_CALL = 512

/** Writes a body, given in pieces, at its place. Worker. @throws OUTPUT_FAILED */
export function writeOutputBody(
  temporary: string,
  pieces: readonly Uint8Array[],
  offset: number,
  calls = systemOutput,
): void {
  onOutput(temporary, () => {
    const descriptor = calls.open(temporary, 'r+')
    try {
      let position = offset
      for (let first = 0; first < pieces.length; first += VIEWS_PER_CALL) {
        position += writeViews(calls, descriptor, pieces.slice(first, first + VIEWS_PER_CALL), position)
      }
    } finally {
      calls.close(descriptor)
    }
  })
}

/** Returns the bytes written: all of them. */
function writeViews(calls: OutputCalls, descriptor: number, views: readonly Uint8Array[], position: number): number {
  const total = views.reduce((sum, { length }) => sum + length, 0)
  const done = calls.writev(descriptor, views, position)
  if (done === total) return total
  // The system took a part: the rest goes view by view.
  let start = 0
  for (const view of views) {
    const skipped = Math.min(view.length, Math.max(0, done - start))
    writeFully(calls, descriptor, view.subarray(skipped), position + start + skipped)
    start += view.length
  }
  return total
}

/**
 * Writes the tail behind the last body. Main thread, after all bodies are written.
 * @returns the file's size in bytes
 * @throws OUTPUT_FAILED
 */
export function endOutputFile(temporary: string, { start, pieces }: FileTail, calls = systemOutput): number {
  let position = start
  onOutput(temporary, () => {
    const descriptor = calls.open(temporary, 'r+')
    try {
      for (const piece of pieces) {
        writeFully(calls, descriptor, piece, position)
        position += piece.length
      }
    } finally {
      calls.close(descriptor)
    }
  })
  return position
}

/** Removes the temporary file of a query that failed or was cancelled; nothing happens when there is none. */
export function discardOutputFile(temporary: string): void {
  try {
    rmSync(temporary, { force: true })
  } catch {
    // It never came to be (a path below a file); what failed before says more.
  }
}

/** Rows that were written must be the rows that the query gave. @throws OUTPUT_FAILED */
export function requireAllRows(format: string, written: number, rowCount: number): void {
  if (written === rowCount) return
  const message = `${format} file is incomplete: ${written} of ${rowCount} rows were encoded. Please report it.`
  throw makeError('OUTPUT_FAILED', message, {})
}

/** The end of the last body; `start` when there is none. Bodies must not overlap. */
export function endOfBodies(
  bodies: readonly { readonly offset: number; readonly bytes: number }[],
  start: number,
): number {
  let end = start
  for (const { offset, bytes } of [...bodies].sort((a, b) => a.offset - b.offset)) {
    assert(offset >= end || bytes === 0, 'bodies of an output file do not overlap')
    end = Math.max(end, offset + bytes)
  }
  return end
}

function onOutput(path: string, write: () => void): void {
  try {
    write()
  } catch (cause) {
    throw outputError(path, cause)
  }
}

export function outputError(path: string, cause: unknown): Error {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
  const message = `Output file cannot be written: ${path} (${errno}). Check the output directory.`
  return makeError('OUTPUT_FAILED', message, { file: path, errno }, { cause })
}

function writeFully(calls: OutputCalls, descriptor: number, bytes: Uint8Array, position: number): void {
  let done = 0
  while (done < bytes.length) done += calls.writev(descriptor, [bytes.subarray(done)], position + done)
}
