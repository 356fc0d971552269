/** Rows in columns, as a terminal and a file get them. */
import { expect, it, onTestFinished, vi } from 'vitest'
import { inColumns } from '../../src/cli/table.ts'

function onTerminal(columns: number): void {
  const { isTTY, columns: before } = process.stdout
  Object.assign(process.stdout, { isTTY: true, columns })
  vi.stubEnv('NO_COLOR', undefined)
  vi.stubEnv('FORCE_COLOR', undefined)
  onTestFinished(() => {
    Object.assign(process.stdout, { isTTY, columns: before })
    vi.unstubAllEnvs()
  })
}

it('stand in line, whatever characters they have', () => {
  expect(
    inColumns([
      ['a', 'b', 'c'],
      ['𝒶é', 'two', ''],
      ['', 'x', 'end'],
    ]),
  ).toBe('a   b    c\n𝒶é  two\n    x    end\n')
})

it('are a line each: nothing that others wrote moves a cursor', () => {
  expect(inColumns([['one\r\n\u001b[2Jtwo\u2028three', 'x']])).toBe('one [2Jtwo three  x\n')
})

it('are cut to the width of a terminal, and never in a file', () => {
  const rows = [['id', 'a note that is long']]
  expect(inColumns(rows, 16)).toBe('id  a note that…\n')
  expect(inColumns(rows, 3)).toBe('id  a note …\n')
  expect(inColumns(rows)).toBe('id  a note that is long\n')
  onTerminal(16)
  expect(inColumns(rows)).toBe('id  a note that…\n')
})

it('have colours on a terminal only, which take no width', () => {
  const rows = [
    [{ text: 'ok', style: 'green' as const }, 'x'],
    ['longer', 'y'],
  ]
  expect(inColumns(rows)).toBe('ok      x\nlonger  y\n')
  onTerminal(80)
  expect(inColumns(rows)).toBe('\u001b[32mok    \u001b[39m  x\nlonger  y\n')
})
