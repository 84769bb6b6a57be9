/**
 * Functions of a generated module that keep strings and rows in partitions of a row store.
 */
import { STRING_INLINE_MAX } from '@spillway/columnar'
import { PAGE_BYTES } from '@spillway/kernels'
import {
  block,
  br,
  brIf,
  type Code,
  call,
  i32,
  i64,
  ifElse,
  ifValue,
  local,
  loop,
  memory,
  ret,
} from '../wasm/instructions.ts'
import type { ModuleBuilder } from '../wasm/module-builder.ts'
import { LOCAL_HEADER_BYTES, localStore, PARTITION_BYTES, partitionStore, stopReason } from './row-store-layout.ts'

const { get, set } = local

/** Strings up to this length are copied word by word, longer ones by the engine's bulk copy. */
const WORD_COPY_MAX = 256

/** Length of a view given its first word. */
export const viewLength = (firstWord: Code): Code => i32.wrapI64(firstWord)

/** 1 if a view with this first word points to heap bytes. */
export const isLong = (firstWord: Code): Code => i32.gtU(viewLength(firstWord), i32.const(STRING_INLINE_MAX))

/** Heap bytes of a view: its length if long, else 0. `firstWord` is evaluated twice. */
export const longLength = (firstWord: Code): Code => i32.mul(viewLength(firstWord), isLong(firstWord))

/** Indices of the functions. */
export interface StoreFunctions {
  /** (local, hash) → address of the partition. */
  readonly partitionAddress: number
  /** (local, partition, heap bytes needed) → 1 if the heap has room, else 0 and a stop reason. */
  readonly heapRoom: number
  /** (local, partition, row bytes, heap bytes needed) → address of a new row, or 0 and a stop reason. */
  readonly takeRow: number
  /** (partition, target view, first word, second word): stores a view, long bytes copied to the heap. */
  readonly copyString: number
  /** (partition, target view, source view): the same over an existing view, whose long bytes are used again. */
  readonly replaceString: number
}

export function addStoreFunctions(builder: ModuleBuilder): StoreFunctions {
  const partitionAddress = addPartitionAddress(builder)
  const heapRoom = addHeapRoom(builder)
  const takeRow = addTakeRow(builder, heapRoom)
  const copyBytes = addCopyBytes(builder)
  const copyString = addCopyString(builder, copyBytes)
  const replaceString = addReplaceString(builder, copyBytes, copyString)
  return { partitionAddress, heapRoom, takeRow, copyString, replaceString }
}

function addPartitionAddress(builder: ModuleBuilder): number {
  const body = builder.addFunction({ params: ['i32', 'i64'], results: ['i32'] })
  const [store, hash] = [0, 1]
  // One bit is shifted out on its own since a shift by 64 would be a shift by 0.
  const shifted = i64.shrU(
    i64.shl(get(hash), i64.extendI32U(i32.load(get(store), localStore.levelShift))),
    i64.const(1n),
  )
  const bits = i64.sub(i64.const(63n), i64.extendI32U(i32.load(get(store), localStore.partitionBits)))
  const index = i32.wrapI64(i64.shrU(shifted, bits))
  body.emit(i32.add(i32.add(get(store), i32.const(LOCAL_HEADER_BYTES)), i32.mul(index, i32.const(PARTITION_BYTES))))
  return body.index
}

/** Statement: notes why and where a function stops. */
export function noteStop(store: number, partition: Code, reason: number): Code {
  const first = i32.add(get(store), i32.const(LOCAL_HEADER_BYTES))
  return [
    i32.store(get(store), i32.const(reason), localStore.stopReason),
    i32.store(get(store), i32.divU(i32.sub(partition, first), i32.const(PARTITION_BYTES)), localStore.stopPartition),
  ]
}

function addHeapRoom(builder: ModuleBuilder): number {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: ['i32'] })
  const [store, partition, need] = [0, 1, 2]
  const room = i32.sub(
    i32.load(get(partition), partitionStore.heapEnd),
    i32.load(get(partition), partitionStore.heapCursor),
  )
  const pages = i32.shrU(i32.add(get(need), i32.const(PAGE_BYTES - 1)), i32.const(16))
  body.emit(
    ifElse(i32.leU(get(need), room), ret(i32.const(1))),
    noteStop(store, get(partition), stopReason.heapPages),
    i32.store(get(store), pages, localStore.stopPages),
    i32.const(0),
  )
  return body.index
}

function addTakeRow(builder: ModuleBuilder, heapRoom: number): number {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] })
  const [store, partition, rowBytes, need] = [0, 1, 2, 3]
  const row = body.local('i32')
  const rowCount = i32.load(get(partition), partitionStore.rowCount)
  body.emit(
    set(row, i32.load(get(partition), partitionStore.rowCursor)),
    ifElse(i32.eq(get(row), i32.load(get(partition), partitionStore.rowEnd)), [
      noteStop(store, get(partition), stopReason.rowPage),
      ret(i32.const(0)),
    ]),
    ifElse(get(need), ifElse(i32.eqz(call(heapRoom, get(store), get(partition), get(need))), ret(i32.const(0)))),
    i32.store(get(partition), i32.add(get(row), get(rowBytes)), partitionStore.rowCursor),
    i32.store(get(partition), i32.add(rowCount, i32.const(1)), partitionStore.rowCount),
    get(row),
  )
  return body.index
}

/** (target, source, length > 8): short lengths in words, the last one overlapping the one before. */
function addCopyBytes(builder: ModuleBuilder): number {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: [] })
  const [target, source, length] = [0, 1, 2]
  const offset = body.local('i32')
  const last = body.local('i32')
  const copyWord = (at: number): Code =>
    i64.store(i32.add(get(target), get(at)), i64.load(i32.add(get(source), get(at))))
  body.emit(
    ifElse(i32.gtU(get(length), i32.const(WORD_COPY_MAX)), [memory.copy(get(target), get(source), get(length)), ret()]),
    set(last, i32.sub(get(length), i32.const(8))),
    block(
      loop([
        brIf(1, i32.geU(get(offset), get(last))),
        copyWord(offset),
        set(offset, i32.add(get(offset), i32.const(8))),
        br(0),
      ]),
    ),
    copyWord(last),
  )
  return body.index
}

function addCopyString(builder: ModuleBuilder, copyBytes: number): number {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i64', 'i64'], results: [] })
  const [partition, target, first, second] = [0, 1, 2, 3]
  const cursor = body.local('i32')
  body.emit(
    ifElse(isLong(get(first)), [
      set(cursor, i32.load(get(partition), partitionStore.heapCursor)),
      call(copyBytes, get(cursor), i32.wrapI64(get(second)), viewLength(get(first))),
      i32.store(get(partition), i32.add(get(cursor), viewLength(get(first))), partitionStore.heapCursor),
      set(second, i64.extendI32U(get(cursor))),
    ]),
    i64.store(get(target), get(first)),
    i64.store(get(target), get(second), 8),
  )
  return body.index
}

function addReplaceString(builder: ModuleBuilder, copyBytes: number, copyString: number): number {
  const body = builder.addFunction({ params: ['i32', 'i32', 'i32'], results: [] })
  const [partition, target, source] = [0, 1, 2]
  const first = body.local('i64')
  const fits = i32.geU(longLength(i64.load(get(target))), viewLength(get(first)))
  body.emit(
    set(first, i64.load(get(source))),
    ifElse(ifValue('i32', isLong(get(first)), fits, i32.const(0)), [
      call(copyBytes, i32.load(get(target), 8), i32.load(get(source), 8), viewLength(get(first))),
      i64.store(get(target), get(first)),
      ret(),
    ]),
    call(copyString, get(partition), get(target), get(first), i64.load(get(source), 8)),
  )
  return body.index
}
