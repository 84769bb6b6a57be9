// Writing the parts of raw LZ4 blocks: sequences of literals and a copy, and the literals at the end.
import { copyForward } from './window-copy'

/** Returns where the output goes on. @param less length of the copy less 4 */
// @ts-ignore: decorator
@inline
export function putSequence(output: u32, from: u32, length: u32, distance: u32, less: u32): u32 {
  output = putToken(output, from, length, min<u32>(less, 15))
  store<u16>(output, distance)
  return less < 15 ? output + 2 : putLength(output + 2, less - 15)
}

/** The token and the literals. */
// @ts-ignore: decorator
@inline
export function putToken(output: u32, from: u32, length: u32, copyNibble: u32): u32 {
  store<u8>(output, (min<u32>(length, 15) << 4) | copyNibble)
  output++
  if (length >= 15) output = putLength(output, length - 15)
  if (length) copyForward(output, from, length)
  return output + length
}

function putLength(output: u32, rest: u32): u32 {
  while (rest >= 255) {
    store<u8>(output++, 255)
    rest -= 255
  }
  store<u8>(output, rest)
  return output + 1
}
