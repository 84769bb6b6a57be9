/**
 * Columns that a result lacks because they cannot be read: said once per file and set of columns, as a warning of the
 * process. Who selects other columns, or drops those, gets what was asked for and hears nothing.
 */
import type { LeftOutColumn } from '@spillway/columnar'
import type { LogicalNode } from '@spillway/plan'

export const LEFT_OUT_WARNING = 'SPILLWAY_COLUMNS_LEFT_OUT'

/** What was said before; a program that scans ever new files must not make this grow for ever. */
const said = new Set<string>()
const SAID_MAX = 1000
const NAMES_SHOWN_MAX = 8

/** Warns of what the result of `plan` lacks. */
export function warnOfLeftOut({ schema }: LogicalNode): void {
  const byFile = new Map<string, LeftOutColumn[]>()
  for (const column of schema.leftOut ?? []) byFile.set(column.file, [...(byFile.get(column.file) ?? []), column])
  for (const [file, columns] of byFile) {
    const key = JSON.stringify([file, ...columns.map(({ name }) => name)])
    if (said.has(key)) continue
    if (said.size >= SAID_MAX) said.clear()
    said.add(key)
    process.emitWarning(warningText(file, columns), { type: 'SpillwayWarning', code: LEFT_OUT_WARNING })
  }
}

function warningText(file: string, columns: readonly LeftOutColumn[]): string {
  const shown = columns.slice(0, NAMES_SHOWN_MAX).map(({ name, type }) => `${JSON.stringify(name)} (${type})`)
  const more = columns.length > NAMES_SHOWN_MAX ? `, +${columns.length - NAMES_SHOWN_MAX} more` : ''
  const advice = 'Select the others, or drop these, and nothing is said.'
  return `Columns left out of the result: ${shown.join(', ')}${more} of ${file} cannot be read. ${advice}`
}
