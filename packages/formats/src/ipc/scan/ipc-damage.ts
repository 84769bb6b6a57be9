/** Errors of Arrow IPC files that were written elsewhere: every broken byte is a DataError that names the file. */
import { makeError, SpillwayError } from '@spillway/stdx'
import { readExactly } from '../../parquet/file-access.ts'

/** Facts that locate a failure; absent ones are undefined. */
export interface IpcPlace {
  readonly file: string
  readonly recordBatch?: number | undefined
  readonly column?: string | undefined
}

export function describeIpcPlace({ file, recordBatch, column }: IpcPlace): string {
  const parts: string[] = []
  if (recordBatch !== undefined) parts.push(`record batch ${recordBatch}`)
  if (column !== undefined) parts.push(`column "${column}"`)
  return parts.length === 0 ? file : `${parts.join(', ')} of ${file}`
}

/** ARROW_INVALID: `Damaged Arrow file: <what> in <place>`. */
export function ipcDamage(what: string, place: IpcPlace, cause?: unknown): SpillwayError {
  const message = `Damaged Arrow file: ${what} in ${describeIpcPlace(place)}. Write the file again.`
  return makeError('ARROW_INVALID', message, { ...place }, { cause })
}

/** UNSUPPORTED_FORMAT: the file is sound, but of a kind that is not read. */
export function ipcUnsupported(what: string, place: IpcPlace): SpillwayError {
  const message = `Unsupported kind of Arrow file: ${what} in ${describeIpcPlace(place)}.`
  return makeError('UNSUPPORTED_FORMAT', `${message} Write it again with a current Arrow library.`, { ...place })
}

/** Runs `parse`; whatever wild offsets make it throw becomes damage of the file. */
export function guardIpcParsing<T>(place: IpcPlace, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof SpillwayError && error.code !== 'INVARIANT') throw error
    throw ipcDamage('its metadata cannot be read', place, error)
  }
}

/** Fills `target` from `position` on. @throws DataError FILE_UNREADABLE, or ARROW_INVALID when the file ends before */
export function readIpcBytes(descriptor: number, target: Uint8Array, position: number, place: IpcPlace): void {
  readExactly(descriptor, target, position, place.file, () =>
    ipcDamage('the file ends before the bytes that its metadata points to', place),
  )
}
