// Writing the elements of raw Snappy: the length in front, literals, copies.
import { copyForward } from './window-copy'

/** A number in parts of 7 bits. Returns where the output goes on, as all functions here. */
export function putVarint(output: u32, value: u32): u32 {
  while (value > 127) {
    store<u8>(output++, value | 128)
    value >>= 7
  }
  store<u8>(output, value)
  return output + 1
}

// @ts-ignore: decorator
@inline
export function putLiteral(output: u32, from: u32, length: u32): u32 {
  const less = length - 1
  if (less < 60) {
    store<u8>(output, less << 2)
    output += 1
  } else {
    const operandBytes = (39 - clz(less)) >> 3
    store<u8>(output, (59 + operandBytes) << 2)
    store<u32>(output + 1, less)
    output += 1 + operandBytes
  }
  copyForward(output, from, length)
  return output + length
}

// @ts-ignore: decorator
@inline
export function putCopy(output: u32, distance: u32, length: u32): u32 {
  if (length < 12 && distance < 2048) {
    store<u16>(output, 1 | ((length - 4) << 2) | ((distance >> 8) << 5) | ((distance & 255) << 8))
    return output + 2
  }
  while (length > 64) {
    // The last part must keep the 4 bytes that the short form needs.
    const part: u32 = length < 68 ? 60 : 64
    store<u32>(output, 2 | ((part - 1) << 2) | (distance << 8))
    output += 3
    length -= part
  }
  if (length < 12 && distance < 2048) {
    store<u16>(output, 1 | ((length - 4) << 2) | ((distance >> 8) << 5) | ((distance & 255) << 8))
    return output + 2
  }
  store<u32>(output, 2 | ((length - 1) << 2) | (distance << 8))
  return output + 3
}
