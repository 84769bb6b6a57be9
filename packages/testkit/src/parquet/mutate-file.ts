/**
 * Damaged Parquet files for fuzzing, made from sound ones: bytes flipped, ranges zeroed, copied and cut, and numbers of
 * page headers and footers replaced by hostile ones while the rest of the file still fits them.
 */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { type AssembledFile, assembleFile, type ChunkModel, parseFile } from './file-model.ts'
import type { Choices } from './random-choices.ts'
import { findField, numberAt, setNumber, structAt, type ThriftNode, walkNodes, wire } from './thrift-tree.ts'

export interface Mutant {
  readonly bytes: Uint8Array
  /** What was done, in order: enough to understand it; seed and index make it again. */
  readonly mutations: readonly string[]
  /** Only bodies of pages with a checksum were changed: anything but the right data must be an error. */
  readonly isCovered: boolean
  /** The footer is untouched, so an error is about a page and names row group and column. */
  readonly hasSoundFooter: boolean
}

/** A sound file, ready to be mutated many times. */
export interface SoundFile {
  readonly name: string
  readonly assembled: AssembledFile
}

const HOSTILE: readonly bigint[] = [
  0n,
  1n,
  -1n,
  2n,
  7n,
  8n,
  127n,
  128n,
  255n,
  1000n,
  65_535n,
  65_536n,
  1n << 24n,
  (1n << 31n) - 1n,
  1n << 31n,
  -(1n << 31n),
  (1n << 32n) - 1n,
  1n << 40n,
  (1n << 53n) + 1n,
  (1n << 63n) - 1n,
  -(1n << 63n),
]

function hostileNumber(choices: Choices, old: bigint): bigint {
  switch (choices.below(5)) {
    case 0:
      return old + BigInt(choices.of([1, -1, 2, -2, 8, -8, 100, -100]))
    case 1:
      return old * BigInt(choices.of([2, 3, 16, 1000, -1]))
    case 2:
      return old ^ (1n << BigInt(choices.below(40)))
    default:
      return choices.of(HOSTILE)
  }
}

/** Changes one node so that it lies; gives what was done. */
function changeNode(node: ThriftNode, choices: Choices): string {
  switch (node.kind) {
    case 'number': {
      const old = node.value
      node.value = BigInt.asIntN(64, hostileNumber(choices, old))
      return `${old} became ${node.value}`
    }
    case 'boolean':
      node.value = !node.value
      return `became ${node.value}`
    case 'binary':
      if (choices.below(2) === 0 && node.value.length > 0) {
        node.value = node.value.slice()
        const at = choices.below(node.value.length)
        node.value[at] = choices.below(256)
        return `byte ${at} became ${node.value[at]}`
      }
      node.claimed = BigInt.asUintN(64, hostileNumber(choices, BigInt(node.value.length)))
      return `length ${node.value.length} became ${node.claimed}`
    case 'list':
      if (choices.below(3) === 0 && node.items.length > 0) {
        node.items.splice(choices.below(node.items.length), 1)
        return 'lost an element'
      }
      node.claimed = BigInt.asUintN(64, hostileNumber(choices, BigInt(node.items.length)))
      return `count ${node.items.length} became ${node.claimed}`
    case 'struct':
      if (node.fields.length === 0) return 'stayed empty'
      return `lost field ${node.fields.splice(choices.below(node.fields.length), 1)[0]?.id}`
    case 'double':
      node.value = node.value.slice().fill(255)
      return 'became NaN'
  }
}

/** Numbers of a page header that a reader believes first: sizes, counts, encodings, lengths of levels. */
const PAGE_NUMBERS = /^(1|2|3|5\.1|5\.2|5\.3|7\.1|7\.2|8\.[1-6])$/

function mutatePageHeader(file: SoundFile, choices: Choices): Mutant {
  const model = parseFile(file.assembled.bytes)
  const chunkIndex = choices.below(model.chunks.length)
  const chunk = model.chunks[chunkIndex] as ChunkModel
  const pageIndex = choices.below(chunk.pages.length)
  const page = chunk.pages[pageIndex]
  const mutations: string[] = []
  if (page !== undefined) {
    const nodes = walkNodes(page.header)
    const likely = nodes.filter(({ path }) => PAGE_NUMBERS.test(path))
    for (let count = 1 + choices.below(2); count > 0; count--) {
      const { path, node } = choices.of(choices.below(4) === 0 || likely.length === 0 ? nodes : likely)
      mutations.push(`header of page ${pageIndex} of chunk ${chunkIndex}, field ${path}: ${changeNode(node, choices)}`)
    }
  }
  return { bytes: assembleFile(model).bytes, mutations, isCovered: false, hasSoundFooter: true }
}

/** Fields of the footer by where they lie; statistics and names are met by `nodes` as a whole. */
const FOOTER_NUMBERS =
  /^(3|4(\[\d+\]\.(1(\[\d+\]\.(2|3\.(1|2\[\d+\]|4|5|6|7|9|11)|[4-7])|$)|2|3|5|6))?|2(\[\d+\]\.(1|2|3|5|6|7|8))?)$/

function mutateFooter(file: SoundFile, choices: Choices): Mutant {
  const model = parseFile(file.assembled.bytes)
  const mutations: string[] = []
  const { bytes } = assembleFile(model, (footer) => {
    for (let count = 1 + choices.below(2); count > 0; count--) {
      const nodes = walkNodes(footer)
      const likely = nodes.filter(({ path }) => FOOTER_NUMBERS.test(path))
      const { path, node } = choices.of(choices.below(3) === 0 || likely.length === 0 ? nodes : likely)
      mutations.push(`footer, field ${path}: ${changeNode(node, choices)}`)
    }
  })
  return { bytes, mutations, isCovered: false, hasSoundFooter: false }
}

/** A page whose true, compressed content is far larger than the header and footer say, or the other way round. */
function makeBomb(file: SoundFile, choices: Choices): Mutant {
  const model = parseFile(file.assembled.bytes)
  const chunk = choices.of(model.chunks)
  const page = choices.of(chunk.pages)
  const meta = structAt(chunk.column, 3)
  const mutations: string[] = []
  const codec = meta === undefined ? undefined : numberAt(meta, 4)
  const claimed = choices.of([1 << 20, 1 << 26, (1 << 30) - 1, 2 ** 31 - 1])
  if (codec === 2 && choices.below(2) === 0) {
    // Gzip that expands a thousandfold, with a header that admits it or hides it.
    const expandedBytes = choices.of([1 << 20, 1 << 24])
    const zeros = new Uint8Array(expandedBytes)
    page.body = choices.below(4) === 0 ? deflateRawSync(zeros) : gzipSync(zeros)
    setNumber(page.header, 3, page.body.length, wire.i32)
    if (choices.below(2) === 0) setNumber(page.header, 2, expandedBytes, wire.i32)
    if (findField(page.header, 4) !== undefined) setNumber(page.header, 4, crc32(page.body) | 0, wire.i32)
    mutations.push(`a page became ${expandedBytes} bytes of zeros in ${page.body.length}`)
  } else {
    setNumber(page.header, 2, claimed, wire.i32)
    mutations.push(`a page of ${page.body.length} bytes claims to expand to ${claimed}`)
  }
  const lies = choices.below(3)
  const { bytes } = assembleFile(model, (footer) => {
    if (lies === 0 || meta === undefined) return
    const total = lies === 1 ? claimed * 2 : choices.of([2 ** 40, 2 ** 53 - 1])
    setNumber(meta, 6, total)
    if (lies === 2) setNumber(footer, 3, 2 ** 40)
    mutations.push(`the footer claims ${total} bytes`)
  })
  return { bytes, mutations, isCovered: false, hasSoundFooter: lies === 0 }
}

/** Changes bytes of `bytes` between `start` and `end`, in place. */
function damageRange(bytes: Uint8Array, start: number, end: number, choices: Choices): string {
  const length = end - start
  const at = start + choices.below(length)
  const size = Math.min(1 + choices.below(choices.of([1, 4, 16, 64])), end - at)
  switch (choices.below(5)) {
    case 0: {
      const bit = choices.below(8)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
      return `bit ${bit} of byte ${at} flipped`
    }
    case 1:
      bytes[at] = choices.of([0, 1, 127, 128, 255, choices.below(256)])
      return `byte ${at} became ${bytes[at]}`
    case 2:
      bytes.fill(choices.of([0, 255]), at, at + size)
      return `${size} bytes at ${at} became ${bytes[at]}`
    case 3: {
      const from = start + choices.below(length - size + 1)
      bytes.copyWithin(at, from, from + size)
      return `${size} bytes at ${at} became those at ${from}`
    }
    default:
      for (let each = at; each < at + size; each++) bytes[each] = choices.below(256)
      return `${size} bytes at ${at} became random`
  }
}

function mutateBytes(file: SoundFile, choices: Choices): Mutant {
  const { bytes: sound, layout } = file.assembled
  const bytes = Uint8Array.from(sound)
  const mutations: string[] = []
  let isCovered = true
  let hasSoundFooter = true
  for (let count = 1 + choices.below(3); count > 0; count--) {
    const where = choices.below(4)
    const body = choices.of(layout.bodies)
    if (where < 2 && body !== undefined && body.end > body.start) {
      // Most often at the beginning, where levels, bit widths and the headers of deltas lie.
      const end = choices.below(2) === 0 ? Math.min(body.end, body.start + 24) : body.end
      mutations.push(damageRange(bytes, body.start, end, choices))
      isCovered &&= body.hasChecksum
    } else if (where === 2) {
      mutations.push(damageRange(bytes, 0, layout.footerStart, choices))
      isCovered = false
    } else {
      mutations.push(damageRange(bytes, layout.footerStart, bytes.length, choices))
      isCovered = false
      hasSoundFooter = false
    }
  }
  return { bytes, mutations, isCovered, hasSoundFooter }
}

function cutFile(file: SoundFile, choices: Choices): Mutant {
  const { bytes, layout } = file.assembled
  if (choices.below(2) === 0) {
    const length = choices.below(bytes.length)
    const mutations = [`cut to ${length} bytes`]
    return { bytes: bytes.slice(0, length), mutations, isCovered: false, hasSoundFooter: false }
  }
  // The footer stays and some of what it speaks of is gone.
  const start = choices.below(layout.footerStart)
  const end = start + choices.below(layout.footerStart - start)
  const kept = Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
  return { bytes: kept, mutations: [`bytes ${start} to ${end} removed`], isCovered: false, hasSoundFooter: true }
}

/** Makes one damaged file. */
export function mutateFile(file: SoundFile, choices: Choices): Mutant {
  const kind = choices.below(20)
  if (kind < 7) return mutateBytes(file, choices)
  if (kind < 13) return mutatePageHeader(file, choices)
  if (kind < 17) return mutateFooter(file, choices)
  if (kind < 19) return makeBomb(file, choices)
  return cutFile(file, choices)
}
