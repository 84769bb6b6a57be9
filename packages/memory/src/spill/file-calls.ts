/**
 * The file operations that spilling needs, each one system call deep, and their deliberate failures.
 *
 * `nodeFileCalls` opens, works and closes, so a worker never holds more than one descriptor and a descriptor never
 * crosses threads. `faultyFileCalls` wraps it for tests: the N-th operation over all workers fails in a chosen way.
 * Both may move fewer bytes than asked for, as the system may; `spill-io.ts` loops.
 */
import { closeSync, constants, ftruncateSync, openSync, readSync, rmSync, statSync, writevSync } from 'node:fs'
import { assert, unreachable } from '@spillway/stdx'

export interface FileCalls {
  /** Writes some of `views` at `position`, creating the file if need be. @returns bytes written */
  readonly write: (path: string, views: readonly Uint8Array[], position: number) => number
  /** Reads some bytes into `target`. @returns bytes read, 0 at the end of the file */
  readonly read: (path: string, target: Uint8Array, position: number) => number
  readonly truncate: (path: string, bytes: number) => void
  /** A file that is not there is no error. */
  readonly remove: (path: string) => void
  readonly size: (path: string) => number
}

/** What goes wrong: the first four and `eacces` in writes, the others in reads. */
export type FaultKind = 'enospc' | 'eio-write' | 'short-write' | 'eacces' | 'eio-read' | 'short-read' | 'corrupt-byte'

/** Plain data that crosses threads: every worker wraps its own calls and all count on one counter. */
export interface FaultPlan {
  readonly kind: FaultKind
  /** Index, from 0, of the operation that fails, among the writes (or reads) of all workers. */
  readonly operation: number
  /** All later operations fail too, as on a disk that stays full. */
  readonly sticky: boolean
  /** One Int32: operations so far. Made by `makeFaultPlan`. */
  readonly counter: SharedArrayBuffer
  /** Source of a regular expression: only files whose paths match count and fail. Left out: all files. */
  readonly files?: string | undefined
}

export function makeFaultPlan(kind: FaultKind, operation: number, sticky = false): FaultPlan {
  return { kind, operation, sticky, counter: new SharedArrayBuffer(4) }
}

/** Operations counted so far, to end a sweep that fails each of them in turn. */
export function countedOperations(plan: FaultPlan): number {
  return Atomics.load(new Int32Array(plan.counter), 0)
}

/** Spill files are readable by their owner only. */
const FILE_MODE = 0o600

export const nodeFileCalls: FileCalls = {
  write: (path, views, position) =>
    withFile(path, constants.O_WRONLY | constants.O_CREAT, (file) => writevSync(file, views, position)),
  read: (path, target, position) =>
    withFile(path, constants.O_RDONLY, (file) => readSync(file, target, 0, target.byteLength, position)),
  truncate: (path, bytes) => withFile(path, constants.O_WRONLY, (file) => ftruncateSync(file, bytes)),
  remove: (path) => rmSync(path, { force: true }),
  size: (path) => statSync(path).size,
}

function withFile<T>(path: string, flags: number, work: (file: number) => T): T {
  const file = openSync(path, flags, FILE_MODE)
  try {
    return work(file)
  } finally {
    closeSync(file)
  }
}

/** Wraps `calls` so that the operation named by `plan` fails. */
export function faultyFileCalls(calls: FileCalls, plan: FaultPlan): FileCalls {
  const files = plan.files === undefined ? undefined : new RegExp(plan.files)
  const strikes = (path: string): boolean => {
    if (files !== undefined && !files.test(path)) return false
    const operation = Atomics.add(new Int32Array(plan.counter), 0, 1)
    return plan.sticky ? operation >= plan.operation : operation === plan.operation
  }
  return {
    ...calls,
    write: (path, views, position) => {
      const faulted = !readKinds.has(plan.kind) && strikes(path)
      return faulted ? faultyWrite(calls, plan.kind, path, views, position) : calls.write(path, views, position)
    },
    read: (path, target, position) => {
      const faulted = readKinds.has(plan.kind) && strikes(path)
      return faulted ? faultyRead(calls, plan.kind, path, target, position) : calls.read(path, target, position)
    },
  }
}

export const readKinds: ReadonlySet<FaultKind> = new Set(['eio-read', 'short-read', 'corrupt-byte'])

function faultyWrite(
  calls: FileCalls,
  kind: FaultKind,
  path: string,
  views: readonly Uint8Array[],
  position: number,
): number {
  switch (kind) {
    case 'enospc':
      // A filling disk takes the front of a write before it refuses.
      calls.write(path, firstHalf(views), position)
      throw systemError('ENOSPC', 'write')
    case 'eio-write':
      throw systemError('EIO', 'write')
    case 'eacces':
      throw systemError('EACCES', 'open')
    case 'short-write':
      return calls.write(path, firstHalf(views), position)
    case 'eio-read':
    case 'short-read':
    case 'corrupt-byte':
      return calls.write(path, views, position)
    default:
      return unreachable(kind)
  }
}

function faultyRead(calls: FileCalls, kind: FaultKind, path: string, target: Uint8Array, position: number): number {
  if (kind === 'eio-read') throw systemError('EIO', 'read')
  if (kind === 'short-read') return calls.read(path, target.subarray(0, Math.ceil(target.byteLength / 2)), position)
  assert(kind === 'corrupt-byte', 'the remaining read fault is a corrupt byte')
  const bytes = calls.read(path, target, position)
  if (bytes > 0) target[bytes >> 1] = target[bytes >> 1]! ^ 0x40
  return bytes
}

/** At least one byte and at most half of the bytes of `views`. */
function firstHalf(views: readonly Uint8Array[]): Uint8Array[] {
  const total = views.reduce((sum, view) => sum + view.byteLength, 0)
  return takeBytes(views, Math.max(1, total >> 1))
}

function takeBytes(views: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const taken: Uint8Array[] = []
  let left = bytes
  for (const view of views) {
    if (left === 0) break
    const part = view.subarray(0, Math.min(left, view.byteLength))
    taken.push(part)
    left -= part.byteLength
  }
  return taken
}

function systemError(code: string, call: string): Error {
  return Object.assign(new Error(`${code}: injected fault, ${call}`), { code, syscall: call })
}
