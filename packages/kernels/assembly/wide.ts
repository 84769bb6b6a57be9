// What a kernel returns beside its result: the high word of a 128-bit value or of a view, and whether it succeeded.
//
// WebAssembly written by this compiler returns one value, so the rest waits in globals. Globals belong to the instance,
// and each thread has its own instance: nothing is shared. Callers read them at once, before the next kernel call.

let high: u64 = 0
let status: u32 = 1

/** The high word of the last 128-bit or view result. */
export function wideHigh(): u64 {
  return high
}

/** 1 if the last fallible kernel succeeded. */
export function castStatus(): u32 {
  return status
}

// @ts-ignore: decorator
@inline
export function setHigh(value: u64): void {
  high = value
}

// @ts-ignore: decorator
@inline
export function setStatus(value: bool): void {
  status = value ? 1 : 0
}
