// Numbers in parts of 7 bits, the lowest first: how Parquet's encodings write lengths and differences.

/** Returns where the output goes on. */
// @ts-ignore: decorator
@inline
export function writeVarint<T>(target: usize, value: T): usize {
  while (value >= 128) {
    store<u8>(target, <u8>(value | 128))
    value >>>= 7
    target += 1
  }
  store<u8>(target, <u8>value)
  return target + 1
}
