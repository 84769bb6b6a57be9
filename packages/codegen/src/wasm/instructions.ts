/**
 * WebAssembly instructions as nested arrays of bytes ("ropes"), flattened once when the module is encoded.
 *
 * An expression is code that leaves one value on the stack; a statement leaves none. Operands come first, so a tree
 * reads like the expression it computes: i32.add(local.get(a), i32.const(4)).
 * Source for opcodes: WebAssembly Core Specification 2.0, section 5.4 (binary format of instructions).
 */
export type Code = number | readonly Code[]

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64'
export const valueTypeByte = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c } as const satisfies Record<ValueType, number>

/** Unsigned LEB128. @param value integer ≥ 0, below 2^53 */
export function unsignedLeb(value: number): number[] {
  const out: number[] = []
  let rest = value
  do {
    const byte = rest % 128
    rest = Math.floor(rest / 128)
    out.push(rest > 0 ? byte | 0x80 : byte)
  } while (rest > 0)
  return out
}

/** Signed LEB128 of a 64-bit integer. */
export function signedLeb(value: bigint): number[] {
  const out: number[] = []
  let rest = value
  for (;;) {
    const byte = Number(rest & 0x7fn)
    rest >>= 7n
    if ((rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0)) {
      out.push(byte)
      return out
    }
    out.push(byte | 0x80)
  }
}

function floatBytes(value: number, bytes: 4 | 8): number[] {
  const view = new DataView(new ArrayBuffer(8))
  if (bytes === 4) view.setFloat32(0, value, true)
  else view.setFloat64(0, value, true)
  return Array.from(new Uint8Array(view.buffer, 0, bytes))
}

const unary =
  (opcode: number) =>
  (a: Code): Code => [a, opcode]
const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [a, b, opcode]
const loadOp =
  (opcode: number) =>
  (address: Code, offset = 0): Code => [address, opcode, 0, unsignedLeb(offset)]
const storeOp =
  (opcode: number) =>
  (address: Code, value: Code, offset = 0): Code => [address, value, opcode, 0, unsignedLeb(offset)]

export const local = {
  get: (index: number): Code => [0x20, unsignedLeb(index)],
  set: (index: number, value: Code): Code => [value, 0x21, unsignedLeb(index)],
  /** Sets and leaves the value on the stack. */
  tee: (index: number, value: Code): Code => [value, 0x22, unsignedLeb(index)],
}

export const i32 = {
  const: (value: number): Code => [0x41, signedLeb(BigInt(value | 0))],
  load: loadOp(0x28),
  load8S: loadOp(0x2c),
  load8U: loadOp(0x2d),
  load16S: loadOp(0x2e),
  load16U: loadOp(0x2f),
  store: storeOp(0x36),
  store8: storeOp(0x3a),
  store16: storeOp(0x3b),
  eqz: unary(0x45),
  eq: binary(0x46),
  ne: binary(0x47),
  ltS: binary(0x48),
  ltU: binary(0x49),
  gtS: binary(0x4a),
  gtU: binary(0x4b),
  leS: binary(0x4c),
  leU: binary(0x4d),
  geS: binary(0x4e),
  geU: binary(0x4f),
  clz: unary(0x67),
  ctz: unary(0x68),
  popcnt: unary(0x69),
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  divS: binary(0x6d),
  divU: binary(0x6e),
  remS: binary(0x6f),
  remU: binary(0x70),
  and: binary(0x71),
  or: binary(0x72),
  xor: binary(0x73),
  shl: binary(0x74),
  shrS: binary(0x75),
  shrU: binary(0x76),
  rotl: binary(0x77),
  wrapI64: unary(0xa7),
  truncSatF32S: (a: Code): Code => [a, 0xfc, 0],
  truncSatF32U: (a: Code): Code => [a, 0xfc, 1],
  truncSatF64S: (a: Code): Code => [a, 0xfc, 2],
  truncSatF64U: (a: Code): Code => [a, 0xfc, 3],
  reinterpretF32: unary(0xbc),
  extend8S: unary(0xc0),
  extend16S: unary(0xc1),
}

export const i64 = {
  const: (value: bigint): Code => [0x42, signedLeb(BigInt.asIntN(64, value))],
  load: loadOp(0x29),
  load8S: loadOp(0x30),
  load8U: loadOp(0x31),
  load16S: loadOp(0x32),
  load16U: loadOp(0x33),
  load32S: loadOp(0x34),
  load32U: loadOp(0x35),
  store: storeOp(0x37),
  store8: storeOp(0x3c),
  store16: storeOp(0x3d),
  store32: storeOp(0x3e),
  eqz: unary(0x50),
  eq: binary(0x51),
  ne: binary(0x52),
  ltS: binary(0x53),
  ltU: binary(0x54),
  gtS: binary(0x55),
  gtU: binary(0x56),
  leS: binary(0x57),
  leU: binary(0x58),
  geS: binary(0x59),
  geU: binary(0x5a),
  clz: unary(0x79),
  ctz: unary(0x7a),
  popcnt: unary(0x7b),
  add: binary(0x7c),
  sub: binary(0x7d),
  mul: binary(0x7e),
  divS: binary(0x7f),
  divU: binary(0x80),
  remS: binary(0x81),
  remU: binary(0x82),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shl: binary(0x86),
  shrS: binary(0x87),
  shrU: binary(0x88),
  rotl: binary(0x89),
  rotr: binary(0x8a),
  extendI32S: unary(0xac),
  extendI32U: unary(0xad),
  truncSatF32S: (a: Code): Code => [a, 0xfc, 4],
  truncSatF32U: (a: Code): Code => [a, 0xfc, 5],
  truncSatF64S: (a: Code): Code => [a, 0xfc, 6],
  truncSatF64U: (a: Code): Code => [a, 0xfc, 7],
  reinterpretF64: unary(0xbd),
  extend8S: unary(0xc2),
  extend16S: unary(0xc3),
  extend32S: unary(0xc4),
}

export const f32 = {
  const: (value: number): Code => [0x43, floatBytes(value, 4)],
  load: loadOp(0x2a),
  store: storeOp(0x38),
  eq: binary(0x5b),
  ne: binary(0x5c),
  lt: binary(0x5d),
  gt: binary(0x5e),
  le: binary(0x5f),
  ge: binary(0x60),
  abs: unary(0x8b),
  neg: unary(0x8c),
  ceil: unary(0x8d),
  floor: unary(0x8e),
  trunc: unary(0x8f),
  add: binary(0x92),
  sub: binary(0x93),
  mul: binary(0x94),
  div: binary(0x95),
  convertI32S: unary(0xb2),
  convertI32U: unary(0xb3),
  convertI64S: unary(0xb4),
  convertI64U: unary(0xb5),
  demoteF64: unary(0xb6),
  reinterpretI32: unary(0xbe),
}

export const f64 = {
  const: (value: number): Code => [0x44, floatBytes(value, 8)],
  load: loadOp(0x2b),
  store: storeOp(0x39),
  eq: binary(0x61),
  ne: binary(0x62),
  lt: binary(0x63),
  gt: binary(0x64),
  le: binary(0x65),
  ge: binary(0x66),
  abs: unary(0x99),
  neg: unary(0x9a),
  ceil: unary(0x9b),
  floor: unary(0x9c),
  trunc: unary(0x9d),
  add: binary(0xa0),
  sub: binary(0xa1),
  mul: binary(0xa2),
  div: binary(0xa3),
  convertI32S: unary(0xb7),
  convertI32U: unary(0xb8),
  convertI64S: unary(0xb9),
  convertI64U: unary(0xba),
  promoteF32: unary(0xbb),
  reinterpretI64: unary(0xbf),
}

const simd = (opcode: number): number[] => [0xfd, ...unsignedLeb(opcode)]
const simdBinary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [a, b, simd(opcode)]

/** Vectors stay on the stack: no local has this type. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [address, simd(0x00), 0, unsignedLeb(offset)],
  not: (a: Code): Code => [a, simd(0x4d)],
  and: simdBinary(0x4e),
  or: simdBinary(0x50),
}

export const i32x4 = {
  splat: (a: Code): Code => [a, simd(0x11)],
  eq: simdBinary(0x37),
  ne: simdBinary(0x38),
  ltS: simdBinary(0x39),
  ltU: simdBinary(0x3a),
  gtS: simdBinary(0x3b),
  gtU: simdBinary(0x3c),
  leS: simdBinary(0x3d),
  leU: simdBinary(0x3e),
  geS: simdBinary(0x3f),
  geU: simdBinary(0x40),
  /** The top bit of each lane, lane 0 lowest. */
  bitmask: (a: Code): Code => [a, simd(0xa4)],
}

export const memory = {
  /** bytes may overlap */
  copy: (target: Code, source: Code, byteCount: Code): Code => [target, source, byteCount, 0xfc, 10, 0, 0],
  fill: (target: Code, byte: Code, byteCount: Code): Code => [target, byte, byteCount, 0xfc, 11, 0],
}

/** a if condition ≠ 0, else b. Both are evaluated. */
export const select = (a: Code, b: Code, condition: Code): Code => [a, b, condition, 0x1b]
export const drop = (a: Code): Code => [a, 0x1a]
export const ret = (value: Code = []): Code => [value, 0x0f]
export const call = (functionIndex: number, ...operands: readonly Code[]): Code => [
  operands,
  0x10,
  unsignedLeb(functionIndex),
]
export const unreachableOp: Code = 0x00

const blockType = (type: ValueType | undefined): number => (type === undefined ? 0x40 : valueTypeByte[type])

/** A block; `br(0)` inside leaves it. */
export const block = (body: Code, type?: ValueType): Code => [0x02, blockType(type), body, 0x0b]
/** A loop; `br(0)` inside starts the next iteration, falling through leaves it. */
export const loop = (body: Code): Code => [0x03, 0x40, body, 0x0b]
/** A statement. Counts as one block for `br` depths inside. */
export const ifElse = (condition: Code, then: Code, otherwise?: Code): Code =>
  otherwise === undefined ? [condition, 0x04, 0x40, then, 0x0b] : [condition, 0x04, 0x40, then, 0x05, otherwise, 0x0b]
/** An expression of type `type`; only the chosen side is evaluated. */
export const ifValue = (type: ValueType, condition: Code, then: Code, otherwise: Code): Code => [
  condition,
  0x04,
  valueTypeByte[type],
  then,
  0x05,
  otherwise,
  0x0b,
]
export const br = (depth: number): Code => [0x0c, unsignedLeb(depth)]
export const brIf = (depth: number, condition: Code): Code => [condition, 0x0d, unsignedLeb(depth)]
