/**
 * Who owns a spill directory, and whether that process still lives.
 *
 * A pid means something only within one boot of one host and one pid namespace (in two containers on one volume both
 * owners may be pid 1), and it is reused, so the start time of the process belongs to it. Where the system does not
 * tell these facts (no /proc), they are undefined on both sides and the pid alone decides.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Content of a directory's `owner.json`. */
export interface Owner {
  readonly hostname: string
  readonly bootId: string | undefined
  readonly pidNamespace: string | undefined
  readonly pid: number
  /** Clock ticks since boot. */
  readonly processStartTime: string | undefined
}

/** `elsewhere`: the process cannot be seen from here, so only its heartbeat tells. */
export type OwnerStatus = 'alive' | 'gone' | 'elsewhere'

export function readOwnIdentity(): Owner {
  return {
    hostname: hostname(),
    bootId: tryRead(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: tryRead(() => readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    processStartTime: findProcessState(process.pid)?.startTime,
  }
}

/** Parses `owner.json`; undefined when it is not one of ours. */
export function parseOwner(text: string): Owner | undefined {
  const value = tryRead(() => JSON.parse(text) as Partial<Owner> | null)
  if (typeof value?.hostname !== 'string' || !Number.isSafeInteger(value.pid) || value.pid! < 1) return undefined
  return {
    hostname: value.hostname,
    bootId: value.bootId,
    pidNamespace: value.pidNamespace,
    pid: value.pid!,
    processStartTime: value.processStartTime,
  }
}

/** @param self who asks: `readOwnIdentity()` */
export function ownerStatus(owner: Owner, self: Owner): OwnerStatus {
  const visible =
    owner.hostname === self.hostname && owner.bootId === self.bootId && owner.pidNamespace === self.pidNamespace
  if (!visible) return 'elsewhere'
  if (!processExists(owner.pid)) return 'gone'
  const state = findProcessState(owner.pid)
  if (state === undefined) return 'alive'
  const reused = owner.processStartTime !== undefined && state.startTime !== owner.processStartTime
  return reused || state.dead ? 'gone' : 'alive'
}

/**
 * An owner as a part of a file name, for files that have no place beside them to say who they belong to:
 * `<scope>-<pid>-<start time>`, where the scope is a hash of host, boot and pid namespace.
 */
export function ownerTag(owner: Owner): string {
  return `${scopeOf(owner)}-${owner.pid}-${owner.processStartTime ?? 0}`
}

/** The pattern of a tag, without groups. */
export const OWNER_TAG_PATTERN = '[0-9a-f]{12}-[0-9]+-[0-9]+'

/** @param tag of `ownerTag` @param self who asks: `readOwnIdentity()` */
export function tagStatus(tag: string, self: Owner): OwnerStatus {
  const [scope, pid, start] = tag.split('-')
  if (scope !== scopeOf(self)) return 'elsewhere'
  const processStartTime = start === '0' ? undefined : start
  return ownerStatus({ ...self, pid: Number(pid), processStartTime }, self)
}

function scopeOf({ hostname: host, bootId, pidNamespace }: Owner): string {
  return createHash('sha256')
    .update(JSON.stringify([host, bootId, pidNamespace]))
    .digest('hex')
    .slice(0, 12)
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** From /proc/<pid>/stat: field 3 is the state (Z and X are dead), field 22 the start time. */
function findProcessState(pid: number): { readonly startTime: string; readonly dead: boolean } | undefined {
  const text = tryRead(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  if (text === undefined) return undefined
  // Field 2, the command, may hold spaces and parentheses; it ends at the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, startTime] = [fields[0], fields[19]]
  if (state === undefined || startTime === undefined) return undefined
  return { startTime, dead: state === 'Z' || state === 'X' }
}

function tryRead<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
