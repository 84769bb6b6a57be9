/**
 * Compiles the module that looks for the rows that match a batch: in passes over the whole batch, so that the misses of
 * one row's look-up overlap with those of the next ones.
 *
 *   lookup  hash, directory entry and its tags → head of a chain, or none
 *   match   walk the chain to the first row with equal keys
 *   expand  walk on, for all further matches
 */
import { assert } from '@spillway/stdx'
import { physicalOf } from '@spillway/columnar'
import type { KeyPlan } from '../group-by/group-by-plan.ts'
import { hasDirectKey, hashKeys, type KeyLocals, keysEqual, loadKeys, openKeys } from '../group-by/key-code.ts'
import { anyValidity, forEachRow, openColumn, openRowLoop, type RowLoop, selectedRow } from '../rows/batch-code.ts'
import { addAnyNull, addHashRow, addKeysDiffer, NARROW_FIELDS_MAX } from '../rows/wide-rows.ts'
import { block, br, brIf, type Code, call, i32, i64, ifElse, ifValue, local, loop } from '../wasm/instructions.ts'
import { type FunctionBuilder, ModuleBuilder, type Signature } from '../wasm/module-builder.ts'
import { allValid, columnsText, directKey, tagOf } from './join-rows.ts'
import { type CompiledJoinProbe, JOIN_TABLE_ENTRY_BYTES, type JoinProbeSpec, joinTable } from './join-spec.ts'

const { get, set } = local

/** Chain steps of one call of `expand`. */
const STEPS_MAX = 1 << 19

interface ProbeModule {
  readonly builder: ModuleBuilder
  readonly spec: JoinProbeSpec
  readonly keys: readonly KeyPlan[]
  readonly link: number
  readonly hashBytes: number
  readonly longBytesEqual: number
  /** Functions over the keys when they are too many for code per key. */
  readonly wide: WideKeys | undefined
}

interface WideKeys {
  /** (batch, row) → hash. */
  readonly hashRow: number
  /** (batch, row) → 1 if a key is null. */
  readonly anyNull: number
  /** (batch, row, stored row) → 0: equal. */
  readonly keysDiffer: number
}

/**
 * Compiles a spec. Instantiate with { env: { memory }, kernel: kernel exports }; exports are JoinProbeExports.
 * @param narrowMax more keys are treated by loops; the same for all modules of a join
 */
export function compileJoinProbe(spec: JoinProbeSpec, narrowMax = NARROW_FIELDS_MAX): CompiledJoinProbe {
  let bytes: Uint8Array<ArrayBuffer> | undefined
  const fields = spec.keyFields.map(({ offset, nullOffset }) => `${offset}/${nullOffset ?? ''}`).join()
  const { linkOffset, deadOffset } = spec.layout
  const places = `${fields} ${linkOffset} ${deadOffset}`
  return {
    key: `join probe ${columnsText(spec.keys)} | ${places} | ${spec.nullsEqual} | ${spec.hashMask ?? ''}`,
    get bytes() {
      bytes ??= generateModule(spec, narrowMax)
      return bytes
    },
  }
}

function generateModule(spec: JoinProbeSpec, narrowMax: number): Uint8Array<ArrayBuffer> {
  const builder = new ModuleBuilder()
  const hashBytes = builder.importKernel('hashBytes', { params: ['i32', 'i32'], results: ['i64'] })
  const longBytesEqual = builder.importKernel('longBytesEqual', { params: ['i32', 'i32', 'i32'], results: ['i32'] })
  const link = spec.layout.linkOffset
  assert(link !== undefined, 'rows of a join have a link')
  const keys = spec.keys.map(({ column, type, nullable }, index): KeyPlan => {
    const field = spec.keyFields[index]
    assert(field !== undefined, 'every key has a field')
    return { name: field.name, column, type, nullable, field }
  })
  const wide = keys.length > narrowMax ? addWideKeys(builder, spec, keys, { hashBytes, longBytesEqual }) : undefined
  const module: ProbeModule = { builder, spec, keys, link, hashBytes, longBytesEqual, wide }
  const none: Signature['results'] = []
  addVariants(module, 'hash', { params: ['i32', 'i32'], results: none }, addHash)
  addVariants(module, 'lookup', { params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'], results: none }, addLookup)
  const direct: Signature = { params: ['i32', 'i32', 'i64', 'i32', 'i32'], results: ['i32'] }
  if (hasDirectKey(keys)) addVariants(module, 'lookupDirect', direct, addLookupDirect)
  addVariants(module, 'match', { params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] }, addMatch)
  const seven = ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'] as const
  addVariants(module, 'expand', { params: seven, results: ['i32'] }, addExpand)
  addVariants(module, 'mark', { params: ['i32', 'i32', 'i32'], results: none }, addMark)
  return builder.encode()
}

function addWideKeys(
  builder: ModuleBuilder,
  spec: JoinProbeSpec,
  keys: readonly KeyPlan[],
  { hashBytes, longBytesEqual }: Pick<ProbeModule, 'hashBytes' | 'longBytesEqual'>,
): WideKeys {
  return {
    hashRow: addHashRow(builder, keys, { hashBytes, mask: spec.hashMask, purpose: 'join', narrowMax: 0 }),
    anyNull: addAnyNull(builder, keys),
    keysDiffer: addKeysDiffer(builder, keys, longBytesEqual),
  }
}

/** What the functions have in common: parameter 0 is the batch. */
interface Scan {
  readonly rows: RowLoop
  /** Empty when there are too many for locals. */
  readonly keys: readonly KeyLocals[]
  readonly hash: number
  /** Statement: the keys of the current row. */
  readonly load: Code
  /** Statements: their hash. */
  readonly hashIt: Code
  /** 1 if none of them is null. */
  readonly areValid: Code
}

/** Exports a function that calls its general variant when a key column has nulls. */
function addVariants(
  module: ProbeModule,
  name: string,
  signature: Signature,
  emit: (module: ProbeModule, body: FunctionBuilder, scan: Scan) => void,
): void {
  const variant = (general: boolean): number => {
    const body = module.builder.addFunction(signature)
    const rows = openRowLoop(body, 0)
    const { wide, hashBytes, spec } = module
    const inLocals = wide === undefined ? module.keys : []
    const columns = inLocals.map((key) => openColumn(body, 0, key.column))
    const keys = openKeys(body, inLocals)
    const scratch = { f32: body.local('f32'), f64: body.local('f64') }
    const hash = body.local('i64')
    const load = loadKeys(keys, columns, get(rows.row), general, scratch)
    const ofRow = wide === undefined ? [] : [get(0), get(rows.row)]
    const hashIt =
      wide === undefined
        ? hashKeys(keys, hash, hashBytes, spec.hashMask, 'join')
        : set(hash, call(wide.hashRow, ...ofRow))
    const areValid = wide === undefined ? allValid(keys) : i32.eqz(call(wide.anyNull, ...ofRow))
    emit(module, body, { rows, keys, hash, load, hashIt, areValid })
    return body.index
  }
  // Loops look at each column by themselves.
  const nullable = (module.wide === undefined ? module.keys : [])
    .filter((key) => key.nullable)
    .map(({ column }) => column)
  const fast = variant(false)
  const body = module.builder.addFunction(signature, name)
  const params = signature.params.map((_, index) => get(index))
  if (nullable.length === 0) {
    body.emit(call(fast, ...params))
    return
  }
  const general = variant(true)
  const hasNulls = anyValidity(0, nullable)
  if (signature.results.length === 0) body.emit(ifElse(hasNulls, call(general, ...params), call(fast, ...params)))
  else body.emit(ifValue('i32', hasNulls, call(general, ...params), call(fast, ...params)))
}

const at4 = (base: number, position: number): Code => i32.add(get(base), i32.shl(get(position), i32.const(2)))
const at8 = (base: number, position: number): Code => i32.add(get(base), i32.shl(get(position), i32.const(3)))

function addHash(_module: ProbeModule, body: FunctionBuilder, { rows, hash, load, hashIt }: Scan): void {
  const hashes = 1
  body.emit(forEachRow(rows, [load, hashIt, i64.store(at8(hashes, rows.position), get(hash))]))
}

function addLookup(module: ProbeModule, body: FunctionBuilder, scan: Scan): void {
  const { rows, hash, load, hashIt, areValid } = scan
  const [table, partitionBits, levelShift, hashes, candidates] = [1, 2, 3, 4, 5]
  const partition = body.local('i32')
  const entry = body.local('i64')
  const [partitionShift, level] = [body.local('i64'), body.local('i64')]
  // One bit is shifted out on its own since a shift by 64 would be a shift by 0.
  const index = i32.wrapI64(i64.shrU(i64.shrU(get(hash), i64.const(1n)), get(partitionShift)))
  const slot = i32.wrapI64(i64.shrU(i64.shl(get(hash), get(level)), i64.load32U(get(partition), joinTable.shift)))
  const directory = i32.load(get(partition), joinTable.directory)
  const hasTag = i32.wrapI64(i64.and(i64.shrU(get(entry), tagOf(get(hash))), i64.const(1n)))
  const isCandidate = module.spec.nullsEqual ? hasTag : i32.and(hasTag, areValid)
  body.emit(
    set(partitionShift, i64.extendI32U(i32.sub(i32.const(63), get(partitionBits)))),
    set(level, i64.extendI32U(get(levelShift))),
    forEachRow(rows, [
      load,
      hashIt,
      i64.store(at8(hashes, rows.position), get(hash)),
      set(partition, i32.add(get(table), i32.mul(index, i32.const(JOIN_TABLE_ENTRY_BYTES)))),
      set(entry, i64.load(i32.add(directory, i32.shl(slot, i32.const(3))))),
      i32.store(at4(candidates, rows.position), i32.mul(i32.wrapI64(get(entry)), isCandidate)),
    ]),
  )
}

function addLookupDirect(_module: ProbeModule, body: FunctionBuilder, { rows, keys, hash, load }: Scan): void {
  const [map, least, slots, found] = [1, 2, 3, 4]
  const [row, matched] = [body.local('i32'), body.local('i32')]
  const isInside = i64.ltU(get(hash), i64.extendI32U(get(slots)))
  body.emit(
    forEachRow(rows, [
      load,
      set(hash, i64.sub(directKey(keys), get(least))),
      set(
        row,
        ifValue(
          'i32',
          i32.and(isInside, allValid(keys)),
          i32.load(i32.add(get(map), i32.shl(i32.wrapI64(get(hash)), i32.const(2)))),
          i32.const(0),
        ),
      ),
      i32.store(at4(found, rows.position), get(row)),
      set(matched, i32.add(get(matched), i32.ne(get(row), i32.const(0)))),
    ]),
    get(matched),
  )
}

/** 1 if the row at `found` has the hash and the keys in the locals. Cheap keys are compared at once. */
function isMatch(module: ProbeModule, { keys, hash, rows }: Scan, found: number): Code {
  const isSameHash = i64.eq(i64.load(get(found)), get(hash))
  if (module.wide !== undefined) {
    const equal = i32.eqz(call(module.wide.keysDiffer, get(0), get(rows.row), get(found)))
    return ifValue('i32', isSameHash, equal, i32.const(0))
  }
  const equal = keysEqual(keys, found, module.longBytesEqual)
  if (keys.every(({ key }) => physicalOf(key.type) !== 'view')) return equal
  return ifValue('i32', isSameHash, equal, i32.const(0))
}

function addMatch(module: ProbeModule, body: FunctionBuilder, scan: Scan): void {
  const { rows, hash, load } = scan
  const [hashes, candidates, found] = [1, 2, 3]
  const [row, matched] = [body.local('i32'), body.local('i32')]
  body.emit(
    forEachRow(rows, [
      set(row, i32.load(at4(candidates, rows.position))),
      ifElse(get(row), [
        set(hash, i64.load(at8(hashes, rows.position))),
        load,
        block(
          loop([brIf(1, isMatch(module, scan, row)), set(row, i32.load(get(row), module.link)), brIf(0, get(row))]),
        ),
        ifElse(
          get(row),
          [
            set(matched, i32.add(get(matched), i32.const(1))),
            i32.store(at4(candidates, rows.position), i32.load(get(row), module.link)),
          ],
          i32.store(at4(candidates, rows.position), i32.const(0)),
        ),
      ]),
      i32.store(at4(found, rows.position), get(row)),
    ]),
    get(matched),
  )
}

function addExpand(module: ProbeModule, body: FunctionBuilder, scan: Scan): void {
  const { rows, hash, load } = scan
  const [hashes, candidates, state, indices, found, capacity] = [1, 2, 3, 4, 5, 6]
  const [row, pairs, steps] = [body.local('i32'), body.local('i32'), body.local('i32')]
  const { position } = rows
  const pair = [
    i32.store(at4(indices, pairs), get(rows.row)),
    i32.store(at4(found, pairs), get(row)),
    set(pairs, i32.add(get(pairs), i32.const(1))),
  ]
  // Blocks from inside: chain loop, chain, position loop, all.
  const chain = block(
    loop([
      brIf(3, i32.or(i32.eq(get(pairs), get(capacity)), i32.eq(get(steps), i32.const(STEPS_MAX)))),
      ifElse(isMatch(module, scan, row), pair),
      set(steps, i32.add(get(steps), i32.const(1))),
      set(row, i32.load(get(row), module.link)),
      brIf(0, get(row)),
    ]),
  )
  body.emit(
    set(position, i32.load(get(state))),
    set(row, i32.load(get(state), 4)),
    block(
      loop([
        brIf(1, i32.geU(get(position), get(rows.count))),
        ifElse(i32.eqz(get(row)), set(row, i32.load(at4(candidates, position)))),
        ifElse(get(row), [set(rows.row, selectedRow(rows)), set(hash, i64.load(at8(hashes, position))), load]),
        // Outside of the check above, so that the depths are those of the comment.
        ifElse(i32.eqz(get(row)), [set(position, i32.add(get(position), i32.const(1))), br(1)]),
        chain,
        set(position, i32.add(get(position), i32.const(1))),
        br(0),
      ]),
    ),
    i32.store(get(state), get(position)),
    i32.store(get(state), get(row), 4),
    get(pairs),
  )
}

/** Stops at the first match that has the flag: whoever set it sets it on all rows with these keys. */
function addMark(module: ProbeModule, body: FunctionBuilder, scan: Scan): void {
  const { rows, hash, load } = scan
  const [hashes, candidates] = [1, 2]
  const row = body.local('i32')
  const { deadOffset } = module.spec.layout
  body.emit(
    forEachRow(rows, [
      set(row, i32.load(at4(candidates, rows.position))),
      ifElse(get(row), [
        set(hash, i64.load(at8(hashes, rows.position))),
        load,
        block(
          loop([
            ifElse(isMatch(module, scan, row), [
              brIf(2, i32.load8U(get(row), deadOffset)),
              i32.store8(get(row), i32.const(1), deadOffset),
            ]),
            set(row, i32.load(get(row), module.link)),
            brIf(0, get(row)),
          ]),
        ),
      ]),
    ]),
  )
}
