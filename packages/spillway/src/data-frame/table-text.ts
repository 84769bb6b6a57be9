/**
 * A table as people read it: a box on a terminal, or HTML in a notebook. Long tables show their first and last rows.
 *
 *   shape: (3, 2)
 *   ┌─────────┬───────┐
 *   │      id │ name  │
 *   │ float64 │ utf8  │
 *   ├─────────┼───────┤
 *   │       1 │ Ada   │
 *   │       2 │ null  │
 *   │       3 │ Grace │
 *   └─────────┴───────┘
 *
 * Not handled: characters that take two cells on a terminal are counted as one.
 */
import {
  type ArrowColumn,
  type DataType,
  formatDecimal,
  isNumeric,
  readExact,
  type SharedTable,
  typeName,
  unitsPerSecond,
} from '@spillway/columnar'

const ROWS_MAX = 10
const COLUMNS_MAX = 10
const CELL_CHARACTERS_MAX = 32
const ELLIPSIS = '…'

interface TextColumn {
  readonly heading: readonly [name: string, type: string]
  readonly cells: readonly string[]
  readonly alignRight: boolean
}

/** The table as a box of text. */
export function tableText(table: SharedTable): string {
  const columns = textColumns(table)
  const shape = shapeText(table)
  if (columns.length === 0) return shape
  const widths = columns.map(({ heading, cells }) => Math.max(...[...heading, ...cells].map(textWidth)))
  const rule = (left: string, middle: string, right: string) =>
    left + widths.map((width) => '─'.repeat(width + 2)).join(middle) + right
  const line = (texts: readonly string[]) =>
    `│ ${texts.map((text, index) => pad(text, widths[index] ?? 0, columns[index]?.alignRight ?? false)).join(' │ ')} │`
  const rowCount = columns[0]?.cells.length ?? 0
  const rows = Array.from({ length: rowCount }, (_, row) => line(columns.map(({ cells }) => cells[row] ?? '')))
  return [
    shape,
    rule('┌', '┬', '┐'),
    line(columns.map(({ heading }) => heading[0])),
    line(columns.map(({ heading }) => heading[1])),
    rule('├', '┼', '┤'),
    ...rows,
    rule('└', '┴', '┘'),
  ].join('\n')
}

/** The table as HTML, for notebooks. */
export function tableHtml(table: SharedTable): string {
  const columns = textColumns(table)
  const cell = (tag: string, text: string) => `<${tag}>${escapeHtml(text)}</${tag}>`
  const head = columns.map(
    ({ heading }) => `<th>${escapeHtml(heading[0])}<br><small>${escapeHtml(heading[1])}</small></th>`,
  )
  const rowCount = columns[0]?.cells.length ?? 0
  const rows = Array.from(
    { length: rowCount },
    (_, row) => `<tr>${columns.map(({ cells }) => cell('td', cells[row] ?? '')).join('')}</tr>`,
  )
  const body = `<thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('')}</tbody>`
  return `<small>${shapeText(table)}</small><table>${body}</table>`
}

function shapeText(table: SharedTable): string {
  return `shape: (${table.rowCount}, ${table.schema.fields.length})`
}

function textColumns(table: SharedTable): TextColumn[] {
  const rows = shownIndices(table.rowCount, ROWS_MAX)
  const { chunks } = table
  const places = rows.map((row) => (row === undefined ? undefined : locateRow(chunks, row)))
  return shownIndices(table.schema.fields.length, COLUMNS_MAX).map((index) => {
    const field = index === undefined ? undefined : table.schema.fields[index]
    if (index === undefined || field === undefined) {
      return { heading: [ELLIPSIS, ELLIPSIS], cells: rows.map(() => ELLIPSIS), alignRight: false }
    }
    const cells = places.map((place) => {
      const column = place === undefined ? undefined : chunks[place.chunk]?.columns[index]
      return place === undefined || column === undefined ? ELLIPSIS : shorten(cellText(column, place.row))
    })
    return { heading: [shorten(field.name), typeName(field.type)], cells, alignRight: isNumeric(field.type) }
  })
}

/** All indices below count, or the first and last of them around one undefined. */
function shownIndices(count: number, max: number): (number | undefined)[] {
  if (count <= max) return Array.from({ length: count }, (_, index) => index)
  const half = max / 2
  const first = Array.from({ length: half }, (_, index) => index)
  return [...first, undefined, ...first.map((index) => count - half + index)]
}

function locateRow(chunks: SharedTable['chunks'], row: number): { chunk: number; row: number } | undefined {
  let first = 0
  for (let chunk = 0; chunk < chunks.length; chunk++) {
    const rowCount = chunks[chunk]?.rowCount ?? 0
    if (row < first + rowCount) return { chunk, row: row - first }
    first += rowCount
  }
  return undefined
}

function cellText(column: ArrowColumn, row: number): string {
  const value = readExact(column, row)
  if (value === null) return 'null'
  const { type } = column
  if (type.kind === 'decimal') return formatDecimal(value as bigint, type.scale)
  if (type.kind === 'date') return dayText(value as number)
  if (type.kind === 'timestamp') return momentText(value as bigint, type)
  if (value instanceof Uint8Array) return bytesText(value)
  return Object.is(value, -0) ? '-0' : String(value)
}

/** `\\x61ff`: no more than a cell shows. */
function bytesText(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.subarray(0, CELL_CHARACTERS_MAX)).toString('hex')}`
}

const MS_PER_DAY = 86_400_000
const SECONDS_PER_DAY = 86_400n
/** JavaScript's Date covers this many days either side of 1970. */
const DATE_DAYS_MAX = 100_000_000

function dayText(days: number): string {
  if (Math.abs(days) > DATE_DAYS_MAX) return `day ${days}`
  return new Date(days * MS_PER_DAY).toISOString().slice(0, -'T00:00:00.000Z'.length)
}

/** `2024-02-29 12:00:00.000001`: as many fraction digits as the unit has. */
function momentText(units: bigint, type: Extract<DataType, { kind: 'timestamp' }>): string {
  const perDay = SECONDS_PER_DAY * unitsPerSecond[type.unit]
  const remainder = units % perDay
  const unitOfDay = remainder < 0n ? remainder + perDay : remainder
  const days = Number((units - unitOfDay) / perDay)
  const seconds = Number(unitOfDay / unitsPerSecond[type.unit])
  const clock = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) =>
    String(Math.floor(part)).padStart(2, '0'),
  )
  const fractionDigits = { s: 0, ms: 3, us: 6, ns: 9 }[type.unit]
  const fraction = String(unitOfDay % unitsPerSecond[type.unit]).padStart(fractionDigits, '0')
  return `${dayText(days)} ${clock.join(':')}${fractionDigits === 0 ? '' : `.${fraction}`}`
}

/** One line of at most CELL_CHARACTERS_MAX characters. */
function shorten(text: string): string {
  const line = text.replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')
  if (line.length <= CELL_CHARACTERS_MAX) return line
  const characters = [...line]
  return characters.length <= CELL_CHARACTERS_MAX
    ? line
    : `${characters.slice(0, CELL_CHARACTERS_MAX - 1).join('')}${ELLIPSIS}`
}

const textWidth = (text: string): number => [...text].length

function pad(text: string, width: number, alignRight: boolean): string {
  const space = ' '.repeat(width - textWidth(text))
  return alignRight ? space + text : text + space
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
