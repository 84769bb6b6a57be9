/**
 * Copies between shared buffers at the machine's speed.
 *
 * `TypedArray.prototype.set` copies between shared buffers word by word, as the memory model of JavaScript asks for
 * (and byte by byte where the two sides are aligned differently). A source here is never written while it is read and a
 * target belongs to one thread, so a plain memory copy does: `Buffer.prototype.fill` with as many bytes as there are to
 * fill is one.
 */
import { assert } from '@spillway/stdx'

/** Below this many bytes the words are copied sooner than the call is made. */
const PLAIN_COPY_MIN_BYTES = 1024

/** Copies source bytes [from, to) to `target` at `address`. Source and target may be the same buffer. */
export function copyBytes(target: Buffer, address: number, source: Uint8Array, from: number, to: number): void {
  const bytes = to - from
  assert(bytes >= 0 && to <= source.byteLength, 'The source holds the bytes to copy.')
  assert(address + bytes <= target.byteLength, 'The target has room for the bytes to copy.')
  const piece = source.subarray(from, to)
  // The two may overlap within one buffer, which a plain copy does not allow.
  if (bytes < PLAIN_COPY_MIN_BYTES || source.buffer === target.buffer) target.set(piece, address)
  else target.fill(piece, address, address + bytes)
}
