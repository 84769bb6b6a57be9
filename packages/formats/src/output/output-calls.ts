/** The system calls that writing a file takes, and their deliberate failures for tests. */
import { closeSync, fsync, fsyncSync, linkSync, openSync, renameSync, rmSync, writevSync } from 'node:fs'
import { promisify } from 'node:util'

export interface OutputCalls {
  open(path: string, flags: 'wx' | 'r+' | 'r'): number
  /** Writes some of the views; returns how many bytes. */
  writev(descriptor: number, views: readonly Uint8Array[], position: number): number
  sync(descriptor: number): void
  /** The same beside the event loop. */
  syncFile(descriptor: number): Promise<void>
  rename(from: string, to: string): void
  /** A second name for a file. */
  link(from: string, to: string): void
  /** A file that is not there is no error. */
  remove(path: string): void
  close(descriptor: number): void
}

export const systemOutput: OutputCalls = {
  open: (path, flags) => openSync(path, flags),
  writev: (descriptor, views, position) => writevSync(descriptor, views, position),
  sync: (descriptor) => fsyncSync(descriptor),
  syncFile: (descriptor) => syncBeside(descriptor),
  rename: (from, to) => renameSync(from, to),
  link: (from, to) => linkSync(from, to),
  remove: (path) => rmSync(path, { force: true }),
  close: (descriptor) => closeSync(descriptor),
}

const syncBeside = promisify(fsync)

/** Plain data that crosses threads; all count on one counter. */
export interface OutputFault {
  /**
   * `fail`: the call with the index `operation`, among those that open, write, sync, rename, link and remove, throws
   * ENOSPC, a write after half of its bytes. `fail-on`: so do all that follow. `short-write`: the write with that index
   * takes half of its bytes.
   */
  readonly kind: 'fail' | 'fail-on' | 'short-write'
  readonly operation: number
  /** One Int32: operations so far. */
  readonly counter: SharedArrayBuffer
}

/** The system's calls, one of which goes wrong if there is a fault. */
export function outputCalls(fault: OutputFault | undefined): OutputCalls {
  if (fault === undefined) return systemOutput
  const strikes = (): boolean => {
    const operation = Atomics.add(new Int32Array(fault.counter), 0, 1)
    return fault.kind === 'fail-on'
      ? operation >= fault.operation && fault.operation >= 0
      : operation === fault.operation
  }
  const failing = (): void => {
    if (fault.kind !== 'short-write' && strikes()) throw noSpace()
  }
  return {
    open(path, flags) {
      failing()
      return systemOutput.open(path, flags)
    },
    writev(descriptor, views, position) {
      if (!strikes()) return systemOutput.writev(descriptor, views, position)
      const done = systemOutput.writev(descriptor, firstHalf(views), position)
      if (fault.kind !== 'short-write') throw noSpace()
      return done
    },
    sync(descriptor) {
      failing()
      systemOutput.sync(descriptor)
    },
    async syncFile(descriptor) {
      failing()
      await systemOutput.syncFile(descriptor)
    },
    rename(from, to) {
      failing()
      systemOutput.rename(from, to)
    },
    link(from, to) {
      failing()
      systemOutput.link(from, to)
    },
    remove(path) {
      failing()
      systemOutput.remove(path)
    },
    close: (descriptor) => systemOutput.close(descriptor),
  }
}

function noSpace(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
}

function firstHalf(views: readonly Uint8Array[]): Uint8Array[] {
  let left = Math.ceil(views.reduce((sum, { length }) => sum + length, 0) / 2)
  return views.map((view) => {
    const part = view.subarray(0, Math.min(view.length, left))
    left -= part.length
    return part
  })
}
