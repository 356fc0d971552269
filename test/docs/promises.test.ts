/**
 * Keeps docs/promises.md and the tests together: every promise names tests that are there, by file and name; a test that
 * holds a promise says so in a comment, and is on the page.
 */
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseSync, Visitor } from 'vite'
import { expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const MARK = '// A promise: see docs/promises.md.'
/** Tests that kill processes: named on the page, and not marked. */
const UNMARKED = /^test\/crash\//

interface Row {
  readonly promise: string
  readonly tests: readonly string[]
}

interface Test {
  /** `file › describe › test`, as the page names it. */
  readonly name: string
  readonly marked: boolean
}

const page = readFileSync(join(root, 'docs/promises.md'), 'utf8')
const [promised = '', notYet] = page.split('\n## Not yet\n')
const rows = [...promised.matchAll(/^\| (.+) \| (`.+`) \|$/gm)].map(([, promise = '', cell = '']): Row => {
  return { promise, tests: [...cell.matchAll(/`(test\/[^`]+)`/g)].map(([, name = '']) => name) }
})
const tests = globSync('test/**/*.test.ts', { cwd: root }).flatMap(testsOf)

it('reads the page and the tests', () => {
  expect(rows.length).toBeGreaterThan(50)
  expect(tests.length).toBeGreaterThan(500)
  expect(notYet).toBeDefined()
})

it('every promise has a test, and says it once', () => {
  const lines = promised.split('\n').filter((line) => /^\| (?!promise|---)/.test(line))
  expect(lines.length).toBe(rows.length)
  expect(rows.filter((row) => row.tests.length === 0)).toEqual([])
  expect(new Set(rows.map(({ promise }) => promise)).size).toBe(rows.length)
})

it('every test that is named is there', () => {
  const there = new Set(tests.map(({ name }) => name))
  expect(rows.flatMap((row) => row.tests).filter((name) => !there.has(name))).toEqual([])
})

it('the tests that are named are those that say they hold a promise', () => {
  const named = rows.flatMap((row) => row.tests).filter((name) => !UNMARKED.test(name))
  const marked = tests.filter((test) => test.marked).map(({ name }) => name)
  expect([...new Set(marked)].sort()).toEqual([...new Set(named)].sort())
})

/** The tests of a file, with the suites around them; a title that is made keeps its `${…}` as written. */
function testsOf(file: string): Test[] {
  const source = readFileSync(join(root, file), 'utf8')
  const lines = source.split('\n')
  const found: Test[] = []
  const suites: { readonly title: string; readonly end: number }[] = []
  new Visitor({
    CallExpression({ callee, arguments: [title], start, end }) {
      const kind = /^(describe|test|it)\b/.exec(source.slice(callee.start, callee.end))?.[1]
      if (kind === undefined || (title?.type !== 'Literal' && title?.type !== 'TemplateLiteral')) return
      while ((suites.at(-1)?.end ?? end) < end) suites.pop()
      const text = title.type === 'Literal' ? String(title.value) : source.slice(title.start + 1, title.end - 1)
      if (kind === 'describe') {
        suites.push({ title: text, end })
        return
      }
      const line = source.slice(0, start).split('\n').length - 1
      const name = [file, ...suites.map((suite) => suite.title), text].join(' › ')
      found.push({ name, marked: lines[line - 1]?.trim() === MARK })
    },
  }).visit(parseSync(file, source).program)
  return found
}
