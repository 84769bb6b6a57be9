/**
 * Thrift's compact protocol as a tree that tests change and write again. Independent of the product's reader, and able
 * to write what no writer would: lengths and counts that lie about what follows.
 */
import { makeError } from '@spillway/stdx'

/** Wire types. */
export const wire = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
} as const

/** One value. Numbers of all widths are bigint. `claimed` is written instead of the true length or count. */
export type ThriftNode =
  | { readonly kind: 'boolean'; value: boolean }
  | { readonly kind: 'number'; readonly type: number; value: bigint }
  | { readonly kind: 'double'; value: Uint8Array }
  | { readonly kind: 'binary'; value: Uint8Array; claimed: bigint | undefined }
  | {
      readonly kind: 'list'
      readonly type: number
      elementType: number
      items: ThriftNode[]
      claimed: bigint | undefined
    }
  | StructNode

export interface StructNode {
  readonly kind: 'struct'
  fields: { id: number; node: ThriftNode }[]
}

function damaged(): never {
  throw makeError('INVARIANT', 'A file that a test starts from has sound Thrift structs.')
}

/** Reads one struct at `position`. @returns the tree and the position behind it */
export function parseStruct(bytes: Uint8Array, position: number): { node: StructNode; end: number } {
  let at = position
  const byte = (): number => bytes[at++] ?? damaged()
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const next = byte()
      value |= BigInt(next & 127) << shift
      if (next < 128) return value
    }
  }
  const zigzag = (): bigint => {
    const value = varint()
    return (value >> 1n) ^ -(value & 1n)
  }
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) damaged()
    at += length
    return bytes.slice(at - length, at)
  }
  const value = (type: number): ThriftNode => {
    switch (type) {
      case wire.true:
      case wire.false:
        return { kind: 'boolean', value: type === wire.true }
      case wire.byte:
        return { kind: 'number', type, value: BigInt.asIntN(8, BigInt(byte())) }
      case wire.i16:
      case wire.i32:
      case wire.i64:
        return { kind: 'number', type, value: zigzag() }
      case wire.double:
        return { kind: 'double', value: take(8) }
      case wire.binary:
        return { kind: 'binary', value: take(Number(varint())), claimed: undefined }
      case wire.list:
      case wire.set: {
        const head = byte()
        const elementType = head & 15
        const count = head >> 4 === 15 ? Number(varint()) : head >> 4
        const isBoolean = elementType === wire.true || elementType === wire.false
        const items = Array.from({ length: count }, () =>
          isBoolean ? ({ kind: 'boolean', value: byte() === 1 } as ThriftNode) : value(elementType),
        )
        return { kind: 'list', type, elementType, items, claimed: undefined }
      }
      case wire.struct:
        return struct()
      default:
        return damaged()
    }
  }
  const struct = (): StructNode => {
    const fields: StructNode['fields'] = []
    let id = 0
    for (;;) {
      const head = byte()
      if ((head & 15) === 0) return { kind: 'struct', fields }
      id = head >> 4 === 0 ? Number(zigzag()) : id + (head >> 4)
      fields.push({ id, node: value(head & 15) })
    }
  }
  const node = struct()
  return { node, end: at }
}

/** Writes a struct as the tree says. */
export function encodeStruct(root: StructNode): Uint8Array {
  const bytes: number[] = []
  const varint = (value: bigint): void => {
    let rest = BigInt.asUintN(64, value)
    while (rest >= 128n) {
      bytes.push(Number(rest & 127n) | 128)
      rest >>= 7n
    }
    bytes.push(Number(rest))
  }
  const zigzag = (value: bigint): void => varint((value << 1n) ^ (value >> 63n))
  const value = (node: ThriftNode): void => {
    switch (node.kind) {
      case 'boolean':
        bytes.push(node.value ? 1 : 2)
        return
      case 'number':
        if (node.type === wire.byte) bytes.push(Number(BigInt.asUintN(8, node.value)))
        else zigzag(node.value)
        return
      case 'double':
        bytes.push(...node.value)
        return
      case 'binary':
        varint(node.claimed ?? BigInt(node.value.length))
        for (const each of node.value) bytes.push(each)
        return
      case 'list': {
        const count = node.claimed ?? BigInt(node.items.length)
        if (count >= 0n && count < 15n) bytes.push((Number(count) << 4) | node.elementType)
        else {
          bytes.push(0xf0 | node.elementType)
          varint(count)
        }
        for (const item of node.items) value(item)
        return
      }
      case 'struct':
        struct(node)
    }
  }
  const struct = (node: StructNode): void => {
    let last = 0
    for (const field of node.fields) {
      const type = wireTypeOf(field.node)
      const delta = field.id - last
      if (delta > 0 && delta < 16) bytes.push((delta << 4) | type)
      else {
        bytes.push(type)
        zigzag(BigInt(field.id))
      }
      last = field.id
      if (field.node.kind !== 'boolean') value(field.node)
    }
    bytes.push(0)
  }
  struct(root)
  return Uint8Array.from(bytes)
}

function wireTypeOf(node: ThriftNode): number {
  switch (node.kind) {
    case 'boolean':
      return node.value ? wire.true : wire.false
    case 'double':
      return wire.double
    case 'binary':
      return wire.binary
    case 'struct':
      return wire.struct
    default:
      return node.type
  }
}

export function findField(struct: StructNode, id: number): ThriftNode | undefined {
  return struct.fields.find((field) => field.id === id)?.node
}

export function numberAt(struct: StructNode, id: number): number | undefined {
  const node = findField(struct, id)
  return node?.kind === 'number' ? Number(node.value) : undefined
}

/** Sets a number, adding the field in its order when it is absent. */
export function setNumber(struct: StructNode, id: number, value: number, type: number = wire.i64): void {
  const node = findField(struct, id)
  if (node?.kind === 'number') {
    node.value = BigInt(value)
    return
  }
  struct.fields.push({ id, node: { kind: 'number', type, value: BigInt(value) } })
  struct.fields.sort((a, b) => a.id - b.id)
}

export function structAt(struct: StructNode, id: number): StructNode | undefined {
  const node = findField(struct, id)
  return node?.kind === 'struct' ? node : undefined
}

/** The structs of a list field; an absent list is empty. */
export function structList(struct: StructNode, id: number): StructNode[] {
  const node = findField(struct, id)
  return node?.kind === 'list' ? node.items.filter((item) => item.kind === 'struct') : []
}

/** All nodes below a struct, with the path of field numbers that leads to each: `4[0].1[2].3.9`. */
export function walkNodes(struct: StructNode, path = ''): { path: string; node: ThriftNode; parent: StructNode }[] {
  const found: { path: string; node: ThriftNode; parent: StructNode }[] = []
  const visit = (node: ThriftNode, at: string, parent: StructNode): void => {
    found.push({ path: at, node, parent })
    if (node.kind === 'struct') found.push(...walkNodes(node, `${at}.`))
    if (node.kind === 'list') for (const [index, item] of node.items.entries()) visit(item, `${at}[${index}]`, parent)
  }
  for (const { id, node } of struct.fields) visit(node, `${path}${id}`, struct)
  return found
}
