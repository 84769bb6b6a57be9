/**
 * A scan's filter on dictionary codes: each condition is evaluated once per value of the dictionary, by the same
 * generated code that filters rows, and a row then only looks its code's verdict up.
 *
 * For filters that are a conjunction of conditions on one column each, none of which may raise. A condition sees all
 * values of a dictionary, also such that no row of the batch refers to.
 */
import { column, DESCRIPTOR_HEADER_BYTES, COLUMN_BYTES, descriptor } from '@spillway/columnar'
import type { WorkspaceSize } from '@spillway/memory'
import { columnAddress, selectedRows, setRows } from '../../pipeline/batch-buffers.ts'
import type { CodeDictionary } from '../../pipeline/column-codes.ts'
import type { OpenContext, Transform } from '../../pipeline/contracts.ts'
import { OperatorMeter } from '../../pipeline/operator-meter.ts'
import { openStage, sizeStage } from '../stage/stage.transform.ts'
import type { StageSpec } from '../stage/stage.ts'

/** The conditions on one column. */
export interface CodeCondition {
  readonly column: number
  /** Filters batches of the scan's schema by this column; its batches have at most VERDICT_BATCH_ROWS rows. */
  readonly stage: StageSpec
}

/** Values judged at a time. */
export const VERDICT_BATCH_ROWS = 512
/** Larger dictionaries are not judged: their verdicts would take more room, and rows do not repeat them much. */
export const VERDICTS_MAX = 4096

export function sizeCodeFilter(conditions: readonly CodeCondition[], fieldCount: number, size: WorkspaceSize): void {
  size.add(DESCRIPTOR_HEADER_BYTES + fieldCount * COLUMN_BYTES)
  size.add(NULL_ROW_BYTES)
  for (const { stage } of conditions) {
    sizeStage(stage, size)
    size.add(VERDICTS_MAX)
  }
}

/** A null row: its value, its validity, its verdict. */
const NULL_ROW_BYTES = 48
const nullRow = { value: 0, validity: 16, verdict: 32 } as const

interface Judge {
  readonly column: number
  readonly stage: Transform
  readonly verdicts: number
  /** Whose verdicts these are. */
  dictionaryId: number
  nullVerdict: number
}

export class CodeFilter {
  readonly #context: OpenContext
  /** A descriptor of the scan's schema in which only the column that is judged has values. */
  readonly #batch: number
  readonly #nullRow: number
  readonly #judges: readonly Judge[]
  readonly #widths: readonly number[]

  constructor(conditions: readonly CodeCondition[], widths: readonly number[], context: OpenContext) {
    const { arena, workspace } = context
    this.#context = context
    this.#widths = widths
    this.#batch = workspace.take(DESCRIPTOR_HEADER_BYTES + widths.length * COLUMN_BYTES)
    arena.u8.fill(0, this.#batch, columnAddress(this.#batch, widths.length))
    this.#nullRow = workspace.take(NULL_ROW_BYTES)
    this.#judges = conditions.map(({ column: index, stage }) => ({
      column: index,
      stage: openStage(stage, { ...context, meter: new OperatorMeter(stage.operatorId) }),
      verdicts: workspace.take(VERDICTS_MAX),
      dictionaryId: 0,
      nullVerdict: 0,
    }))
  }

  /** Has the verdicts on a column's dictionary ready. */
  judge(index: number, dictionary: CodeDictionary, id: number): void {
    const judge = this.#judges.find((candidate) => candidate.column === index)
    if (judge === undefined || judge.dictionaryId === id) return
    const { arena } = this.#context
    arena.u8.fill(0, judge.verdicts, judge.verdicts + dictionary.count)
    const width = this.#widths[index] as number
    for (let start = 0; start < dictionary.count; start += VERDICT_BATCH_ROWS) {
      const rows = Math.min(VERDICT_BATCH_ROWS, dictionary.count - start)
      this.#run(judge, dictionary.values + start * width, 0, rows, judge.verdicts + start)
    }
    judge.nullVerdict = this.#judgeNull(judge)
    judge.dictionaryId = id
  }

  #judgeNull(judge: Judge): number {
    const { u8 } = this.#context.arena
    const row = this.#nullRow
    u8.fill(0, row, row + NULL_ROW_BYTES)
    this.#run(judge, row + nullRow.value, row + nullRow.validity, 1, row + nullRow.verdict)
    return u8[row + nullRow.verdict] as number
  }

  #run(judge: Judge, values: number, validity: number, rows: number, target: number): void {
    const { arena } = this.#context
    const batch = this.#batch
    setRows(arena, batch, rows, 0, 0)
    const entry = columnAddress(batch, judge.column)
    arena.u32[(entry + column.values) >>> 2] = values
    arena.u32[(entry + column.validity) >>> 2] = validity
    if (judge.stage.apply(batch, 0) === 0) return
    const selection = arena.u32[(batch + descriptor.selection) >>> 2] as number
    if (selection === 0) arena.u8.fill(1, target, target + rows)
    else arena.kernels.markVerdicts(selection, selectedRows(arena, batch), target)
  }

  /**
   * Sets the selection of a batch whose filter columns are codes of the dictionaries judged last.
   * @param buffer for the selection, u32 × rows
   * @returns the rows that survive
   */
  apply(batch: number, rows: number, buffer: number): number {
    const { arena } = this.#context
    let selection = 0
    let count = rows
    for (const { column: index, verdicts, nullVerdict } of this.#judges) {
      const entry = columnAddress(batch, index) >>> 2
      const codes = arena.u32[entry + (column.codes >>> 2)] as number
      const validity = arena.u32[entry + (column.validity >>> 2)] as number
      const codeCount = arena.u32[entry + (column.dictionaryCount >>> 2)] as number
      count = arena.kernels.selectByCodes(codes, validity, verdicts, codeCount, nullVerdict, selection, count, buffer)
      selection = buffer
      if (count === 0) break
    }
    if (count < rows) {
      arena.u32[(batch + descriptor.selection) >>> 2] = selection
      arena.u32[(batch + descriptor.selectionCount) >>> 2] = count
    }
    return count
  }
}
