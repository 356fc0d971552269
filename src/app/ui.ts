/** Builders of page blocks: `ui.page([ui.taskBoard({…}), ui.divider()])`. Plain data; the page element draws them. */
import { type JsonValue, TASK_STATUSES } from '../events/index.ts'
import type { JobStatus } from '../projections/index.ts'
import type { BoardColumnDefinition, UiBlock } from './definition.ts'

export interface TaskBoardOptions {
  readonly title?: string
  /** E.g. `{ task_name: 'build_report' }`. */
  readonly filter?: Readonly<Record<string, JsonValue>>
  readonly columns?: readonly BoardColumnDefinition[]
  /** Honoured, though the board is live without it. */
  readonly refreshMs?: number
}

export const ui = {
  /** The blocks of a page, from top to bottom. */
  page(blocks: readonly UiBlock[]): readonly UiBlock[] {
    return blocks
  },
  /** Columns of task cards, live. */
  taskBoard(options: TaskBoardOptions = {}): UiBlock {
    return { kind: 'task_board', ...options }
  },
  taskBoardColumn(label: string, statuses: readonly JobStatus[]): BoardColumnDefinition {
    for (const status of statuses) {
      if (!TASK_STATUSES.includes(status)) {
        throw new TypeError(`"${status}" is not a task status. Use some of: ${TASK_STATUSES.join(', ')}.`)
      }
    }
    return { label, statuses }
  },
  divider(): UiBlock {
    return { kind: 'divider' }
  },
  heading(text: string): UiBlock {
    return { kind: 'heading', text }
  },
  text(text: string): UiBlock {
    return { kind: 'text', text }
  },
} as const
