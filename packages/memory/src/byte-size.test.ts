/** Byte sizes: decimal and binary units, exact integers, refused nonsense. */
import { PlanError } from '@spillway/stdx'
import { describe, expect, it } from 'vitest'
import { formatBytes, parseByteSize } from './byte-size.ts'

describe('parseByteSize', () => {
  it.each([
    ['512MB', 512e6],
    ['512MiB', 512 * 2 ** 20],
    ['1.5GB', 1.5e9],
    ['1.5 GiB', 1.5 * 2 ** 30],
    [' 2tb ', 2e12],
    ['10', 10],
    ['10 b', 10],
    ['0.3kB', 300],
    [4096, 4096],
    [1.9, 1],
    [0, 0],
  ])('reads %j as %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes)
  })

  it.each(['', 'MB', '5 XB', '-5MB', '1e3', '1,5GB', '9000000TB', Number.NaN, -1, Number.POSITIVE_INFINITY])(
    'refuses %j and names the option',
    (value) => {
      expect(() => parseByteSize(value, 'memoryLimit')).toThrow(PlanError)
      expect(() => parseByteSize(value, 'memoryLimit')).toThrow(/memoryLimit/)
    },
  )
})

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [432_852_173, '412.8 MiB'],
    [2 ** 20 - 1, '1.0 MiB'],
    [2 ** 40, '1.0 TiB'],
    [5 * 2 ** 50, '5.0 PiB'],
  ])('prints %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})
