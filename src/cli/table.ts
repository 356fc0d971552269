/** Rows as a person reads them: in columns, cut to the width of a terminal, in colours only there. */
import { styleText } from 'node:util'

export type Cell = string | Styled
export interface Styled {
  readonly text: string
  readonly style: Parameters<typeof styleText>[0]
}

const GAP = '  '

/**
 * One line a row. What others wrote is shown on its line, and no control character of it reaches a terminal.
 * @param width in characters; the last column is cut to it. Default: of the terminal, none where there is none.
 */
export function inColumns(rows: readonly (readonly Cell[])[], width = widthOfTerminal()): string {
  const texts = rows.map((row) => row.map((cell) => onOneLine(typeof cell === 'string' ? cell : cell.text)))
  const columns = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: columns - 1 }, (_, i) => Math.max(...texts.map((row) => lengthOf(row[i] ?? ''))))
  const left = width - widths.reduce((sum, each) => sum + each + GAP.length, 0)
  const line = (row: readonly string[], cells: readonly Cell[]) =>
    row
      .map((text, i) => styled(i < widths.length ? padded(text, widths[i] ?? 0) : cut(text, left), cells[i]))
      .join(GAP)
      .trimEnd()
  return texts.map((row, i) => `${line(row, rows[i] ?? [])}\n`).join('')
}

/** Text of others for one line of a terminal. */
export function onOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}

function widthOfTerminal(): number {
  return process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY
}

function lengthOf(text: string): number {
  return [...text].length
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(width - lengthOf(text))
}

/** Where there is no room, some of it is shown nevertheless: the terminal wraps it. */
function cut(text: string, width: number): string {
  const most = Math.max(width, 8)
  return lengthOf(text) <= most ? text : `${[...text].slice(0, most - 1).join('')}…`
}

function styled(text: string, cell: Cell | undefined): string {
  return cell === undefined || typeof cell === 'string' ? text : styleText(cell.style, text, { stream: process.stdout })
}
