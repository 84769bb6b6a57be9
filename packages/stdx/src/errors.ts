/**
 * The four error families of Spillway and their stable codes.
 *
 * PlanError      the user's query is wrong; found when the plan is built.
 * DataError      the input's bytes or values are wrong; names file, row group, column, page.
 * ResourceError  memory, disk or time ran out, or the query was cancelled.
 * InternalError  our bug.
 *
 * An error that crosses a thread travels as an ErrorEnvelope and is rebuilt with the same class and code.
 */

/** Every code, the class that carries it, and what a user does about it. `docs/errors.md` is generated from it. */
export const errorCodes = {
  COLUMN_NOT_FOUND: {
    family: 'PlanError',
    advice: 'Check the name against the schema; the nearest name is suggested.',
  },
  TYPE_MISMATCH: { family: 'PlanError', advice: 'Cast one side with .cast().' },
  DUPLICATE_COLUMN: { family: 'PlanError', advice: 'Give one of the outputs another name with .alias().' },
  INVALID_PLAN: { family: 'PlanError', advice: 'The operation cannot be used here; see the message.' },
  INVALID_OPTION: { family: 'PlanError', advice: 'See the option named in the message.' },
  UNBOUNDED_OPERATOR: { family: 'PlanError', advice: 'Strict mode refuses operators without a memory bound.' },
  FILE_NOT_FOUND: { family: 'DataError', advice: 'Check the path or the glob.' },
  FILE_UNREADABLE: { family: 'DataError', advice: 'Check permissions and the disk.' },
  NOT_PARQUET: { family: 'DataError', advice: 'The file does not carry the Parquet magic bytes.' },
  PARQUET_CORRUPT: { family: 'DataError', advice: 'The file is truncated or damaged; write it again.' },
  PAGE_CHECKSUM_MISMATCH: { family: 'DataError', advice: 'Stored bytes changed after writing; restore the file.' },
  ENCRYPTED: { family: 'DataError', advice: 'Select the other columns, or decrypt the file with what wrote it.' },
  UNSUPPORTED_FORMAT: { family: 'DataError', advice: 'The file is not damaged; write it again in the common form.' },
  UNSUPPORTED_TYPE: { family: 'DataError', advice: 'Select the other columns, or cast before writing.' },
  ARROW_INVALID: { family: 'DataError', advice: 'The Arrow data breaks its own format; write it again.' },
  SCHEMA_MISMATCH: { family: 'DataError', advice: 'All files of one scan need the same schema.' },
  CAST_FAILED: { family: 'DataError', advice: 'Use cast(type, { strict: false }) to get nulls instead.' },
  JOIN_KEYS_NOT_UNIQUE: {
    family: 'DataError',
    advice: 'Remove the duplicates with unique(), or relax validate of the join.',
  },
  OVERFLOW: { family: 'DataError', advice: 'Cast to a wider type before the operation.' },
  MEMORY_LIMIT: {
    family: 'MemoryLimitError',
    advice: 'Raise memoryLimit, lower threads, or stream with sinkParquet or collectBatches.',
  },
  SPILL_DISK_FULL: {
    family: 'SpillDiskFullError',
    advice: 'Free disk space, raise maxSpillBytes, or set tempDir to a larger disk.',
  },
  SPILL_IO: { family: 'SpillIoError', advice: 'Check the disk behind tempDir.' },
  SPILL_CORRUPTION: {
    family: 'SpillCorruptionError',
    advice: 'The disk returned other bytes than were written; check it.',
  },
  ADDRESS_SPACE: {
    family: 'ResourceError',
    advice: 'Remove the limit of virtual memory (ulimit -v unlimited), or use fewer threads.',
  },
  TEMP_DIR_UNUSABLE: { family: 'ResourceError', advice: 'Set tempDir to a writable directory on a real disk.' },
  TEMP_DIR_TMPFS: {
    family: 'ResourceError',
    advice: 'Spilling there is spilling to memory; choose a disk or set allowTmpfs.',
  },
  OUTPUT_FAILED: {
    family: 'ResourceError',
    advice: 'Check the output directory; it is as it was unless the message names files.',
  },
  CANCELLED: { family: 'CancelledError', advice: 'The query was cancelled by its signal, by break, or by close().' },
  ENGINE_CLOSED: { family: 'ResourceError', advice: 'Create a new engine.' },
  RUNTIME_UNSUPPORTED: {
    family: 'ResourceError',
    advice: 'Run the program in Node 20.19 or later, Deno or Bun; the message names what is missing.',
  },
  PACKAGE_INCOMPLETE: {
    family: 'ResourceError',
    advice: 'Make the package external for the bundler, or install it again; the message names what is missing.',
  },
  WORKER_FAILED: { family: 'InternalError', advice: 'Please report it, with the stack.' },
  INVARIANT: { family: 'InternalError', advice: 'Please report it, with the stack.' },
} as const satisfies Record<string, { family: string; advice: string }>

export type ErrorCode = keyof typeof errorCodes

/** Structured facts beside the message: file, column, operator, bytes … Plain data only: it crosses threads. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>

/** Base of all errors that Spillway throws. `code` is stable; match on it rather than on the text. */
export class SpillwayError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options)
    // Not the class's own name: bundlers that shorten names would change what users see.
    this.name = errorCodes[code].family
    this.code = code
    this.details = details
  }
}

export class PlanError extends SpillwayError {}
export class DataError extends SpillwayError {}
export class ResourceError extends SpillwayError {}
export class InternalError extends SpillwayError {}
export class MemoryLimitError extends ResourceError {}
export class SpillDiskFullError extends ResourceError {}
export class SpillIoError extends ResourceError {}
export class SpillCorruptionError extends ResourceError {}
export class CancelledError extends ResourceError {}

const families = {
  PlanError,
  DataError,
  ResourceError,
  InternalError,
  MemoryLimitError,
  SpillDiskFullError,
  SpillIoError,
  SpillCorruptionError,
  CancelledError,
} as const

/** Makes the error of the class that `errorCodes` assigns to `code`. */
export function makeError(
  code: ErrorCode,
  message: string,
  details: ErrorDetails = {},
  options?: { cause?: unknown },
): SpillwayError {
  return new families[errorCodes[code].family](code, message, details, options)
}
