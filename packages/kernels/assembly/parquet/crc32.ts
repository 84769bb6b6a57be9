// CRC-32 as zlib, gzip and Parquet page headers have it, eight bytes at a time.
import { crc32Tables } from './crc32-tables'

// @ts-ignore: decorator
@inline
function remainder(zeroBytes: u32, byte: u32): u32 {
  return load<u32>(crc32Tables + (zeroBytes << 10) + ((byte & 255) << 2))
}

/**
 * @param seed 0, or the checksum of the bytes before these
 * @returns the checksum of those and these
 */
export function crc32(address: u32, length: u32, seed: u32): u32 {
  let crc = ~seed
  const end = address + length
  while (address + 8 <= end) {
    const low = load<u32>(address) ^ crc
    const high = load<u32>(address, 4)
    // The later half does not wait for the checksum so far.
    const later = remainder(3, high) ^ remainder(2, high >> 8) ^ (remainder(1, high >> 16) ^ remainder(0, high >> 24))
    const earlier = remainder(7, low) ^ remainder(6, low >> 8) ^ (remainder(5, low >> 16) ^ remainder(4, low >> 24))
    crc = earlier ^ later
    address += 8
  }
  while (address < end) crc = (crc >> 8) ^ remainder(0, crc ^ <u32>load<u8>(address++))
  return ~crc
}
