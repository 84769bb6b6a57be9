/**
 * Casts from and to text: one kernel call per row that parses or formats.
 *
 * Formatting writes into the batch's string heap at heapCursor. A text of up to 12 bytes is then copied into its view
 * and the cursor stays; a longer one keeps its bytes there and the cursor moves behind them.
 */
import { type DataType, isUnsignedInteger, raiseCode, STRING_INLINE_MAX, type TimeUnit } from '@spillway/columnar'
import { assert } from '@spillway/stdx'
import { call, type Code, f32, i32, i64, ifElse, local, select } from '../wasm/instructions.ts'
import type { Conversion } from './cast.ts'
import { wordTypes } from './load-value.ts'
import { findIntegerRange, integerFits } from './integer-range.ts'
import { TEXT_ROOM_BYTES } from './text-room.ts'
import { type RowCode, type Value, whereValid } from './row-code.ts'
import type { IrOf } from './stage-ir.ts'

/** Digits of a second's fraction. */
const unitDigits = { s: 0, ms: 3, us: 6, ns: 9 } as const satisfies Record<TimeUnit, number>

/** Emits a cast in which one side is text. */
export function castText(code: RowCode, node: IrOf<'cast'>, operand: Value): Conversion {
  return node.type.kind === 'utf8' ? formatValue(code, node, operand) : parseText(code, node, operand)
}

/** Parses only rows that are not null: the view of a null row may point anywhere. */
function parseText(code: RowCode, node: IrOf<'cast'>, operand: Value): Conversion {
  const words = wordTypes(node.type).map((word) => code.builder.local(word))
  const ok = code.builder.local('i32')
  const parse = code.collect(() => {
    const parsed = parsedWords(code, node.type, operand.words.map(local.get))
    parsed.words.forEach((word, k) => {
      code.emit(local.set(words[k] ?? 0, word))
    })
    const status = call(code.kernel('castStatus'))
    code.emit(local.set(ok, parsed.fits === undefined ? status : i32.and(status, parsed.fits)))
  })
  code.emit(ifElse(whereValid(operand.valid, i32.const(1)), parse, local.set(ok, i32.const(0))))
  return { words, ok: local.get(ok) }
}

interface Parsed {
  readonly words: readonly Code[]
  readonly fits: Code | undefined
}

function parsedWords(code: RowCode, type: DataType, text: readonly Code[]): Parsed {
  const parse = (name: string, ...more: readonly Code[]): Code => call(code.kernel(name), ...text, ...more)
  switch (type.kind) {
    case 'boolean':
      return { words: [parse('parseBoolean')], fits: undefined }
    case 'float64':
      return { words: [parse('parseFloat64')], fits: undefined }
    case 'float32':
      return { words: [f32.demoteF64(parse('parseFloat64'))], fits: undefined }
    case 'date':
      return { words: [parse('parseDate')], fits: undefined }
    case 'timestamp':
      return { words: [parse('parseTimestamp', i32.const(unitDigits[type.unit]))], fits: undefined }
    case 'decimal':
      return {
        words: [parse('parseDecimal', i32.const(type.precision), i32.const(type.scale)), call(code.kernel('wideHigh'))],
        fits: undefined,
      }
    case 'uint64':
      return { words: [parse('parseUnsigned')], fits: undefined }
    default: {
      const range = findIntegerRange(type)
      assert(range !== undefined, 'text is cast to an integer type here')
      const wide = code.let('i64', parse('parseSigned'))
      const all = [-(2n ** 63n), 2n ** 63n - 1n] as const
      const word = type.kind === 'int64' ? local.get(wide) : i32.wrapI64(local.get(wide))
      return { words: [word], fits: integerFits(all, range, false, local.get(wide)) }
    }
  }
}

/** "true" and "false" as words of views. */
const TRUE_WORD = 4n | (0x65757274n << 32n)
const FALSE_LOW = 5n | (0x736c6166n << 32n)
const FALSE_HIGH = 0x65n

function formatValue(code: RowCode, node: IrOf<'cast'>, operand: Value): Conversion {
  const type = node.operand.type
  const value = operand.words.map(local.get)
  const first = value[0] ?? []
  if (type.kind === 'boolean') {
    const low = code.let('i64', select(i64.const(TRUE_WORD), i64.const(FALSE_LOW), first))
    const high = code.let('i64', select(i64.const(0n), i64.const(FALSE_HIGH), first))
    return { words: [low, high], ok: undefined }
  }
  const cursor = local.get(code.heapCursor)
  // As a difference, so that a heap at the end of the address space does not wrap.
  const room = i32.ltU(i32.sub(local.get(code.heapEnd), cursor), i32.const(TEXT_ROOM_BYTES))
  const words = [code.builder.local('i64'), code.builder.local('i64')] as const
  const format = code.collect(() => {
    code.raiseIf(room, raiseCode.heapFull, node.site)
    const length = code.let('i32', formatCall(code, type, value, cursor))
    code.emit(
      local.set(words[0], call(code.kernel('viewOfText'), cursor, local.get(length))),
      local.set(words[1], call(code.kernel('wideHigh'))),
      // Only long texts keep their bytes in the heap.
      local.set(
        code.heapCursor,
        i32.add(
          cursor,
          select(local.get(length), i32.const(0), i32.gtU(local.get(length), i32.const(STRING_INLINE_MAX))),
        ),
      ),
    )
  })
  const empty = [local.set(words[0], i64.const(0n)), local.set(words[1], i64.const(0n))]
  code.emit(ifElse(whereValid(operand.valid, i32.const(1)), format, empty))
  return { words, ok: undefined }
}

/** Writes the text at `target`; leaves its length. */
function formatCall(code: RowCode, type: DataType, value: readonly Code[], target: Code): Code {
  const first = value[0] ?? []
  const format = (name: string, ...operands: readonly Code[]): Code => call(code.kernel(name), ...operands, target)
  switch (type.kind) {
    case 'float64':
      return format('formatFloat64', first)
    case 'float32':
      return format('formatFloat32', first)
    case 'date':
      return format('formatDate', first)
    case 'timestamp':
      return format('formatTimestamp', first, i32.const(unitDigits[type.unit]))
    case 'decimal':
      return format('formatDecimal', ...value, i32.const(type.scale))
    case 'uint64':
      return format('formatUnsigned', first)
    case 'int64':
      return format('formatSigned', first)
    default:
      return format('formatSigned', isUnsignedInteger(type) ? i64.extendI32U(first) : i64.extendI32S(first))
  }
}
