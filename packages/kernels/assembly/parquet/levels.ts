// Null rows: values were decoded one after another, without gaps; here each moves to its row.

@inline
function spreadFrom<T>(values: usize, validity: usize, rows: u32, valueCount: u32): void {
  let left = valueCount
  let row = rows
  // From the end, so that no value is overwritten before it has moved; where none are missing, all stand right.
  while (left != row && left != 0) {
    row--
    const isValid = <u32>load<u8>(validity + row)
    const value = load<T>(values + (<usize>(left - 1) << alignof<T>()))
    store<T>(values + (<usize>row << alignof<T>()), isValid != 0 ? value : <T>0)
    left -= isValid
  }
  if (left == 0) memory.fill(values, 0, <usize>row << alignof<T>())
}

function spread128(values: usize, validity: usize, rows: u32, valueCount: u32): void {
  let left = valueCount
  let row = rows
  while (left != row && left != 0) {
    row--
    const isValid = <u32>load<u8>(validity + row)
    const value = v128.load(values + (<usize>(left - 1) << 4))
    v128.store(values + (<usize>row << 4), v128.and(value, i64x2.splat(-(<i64>isValid))))
    left -= isValid
  }
  if (left == 0) memory.fill(values, 0, <usize>row << 4)
}

/**
 * Moves valueCount values of 1 << widthLog2 bytes from the begin of `values` to the rows whose validity byte is 1,
 * within the same buffer; the other rows become zero.
 * @param validity bytes 0 or 1 × rows, valueCount of them 1
 */
export function spreadValues(values: usize, widthLog2: u32, validity: usize, rows: u32, valueCount: u32): void {
  if (widthLog2 == 4) spread128(values, validity, rows, valueCount)
  else if (widthLog2 == 3) spreadFrom<u64>(values, validity, rows, valueCount)
  else if (widthLog2 == 2) spreadFrom<u32>(values, validity, rows, valueCount)
  else if (widthLog2 == 1) spreadFrom<u16>(values, validity, rows, valueCount)
  else spreadFrom<u8>(values, validity, rows, valueCount)
}
