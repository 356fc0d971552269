/**
 * A snapshot is used by code of the same version as the code that took it. Between releases of the package that version
 * is each kind's own, which a person must raise; this test notices when the code of a machine has changed.
 *
 * It pins the code that facts go through: machine.ts of the kind and all that it imports from src/actors, as it is once
 * types, comments and formatting are gone.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { parseSync } from 'oxc-parser'
import { expect, test } from 'vitest'
import {
  auditKind,
  limitKind,
  lockKind,
  scheduleKind,
  sessionKind,
  settingKind,
  taskKind,
} from '../../src/actors/index.ts'

const actors = resolve(import.meta.dirname, '../../src/actors')
const kinds = [taskKind, sessionKind, scheduleKind, lockKind, limitKind, settingKind, auditKind]

/** By kind: its version, and the digest of the machine's code as of that version. */
const PINNED: Readonly<Record<string, readonly [version: number, digest: string]>> = {
  task: [2, '0b3921aeb4cb3eac'],
  session: [3, '239ef2e5ffa3d1ff'],
  schedule: [2, '0b6bac197b43ee7f'],
  lock: [1, 'fda7ed931839de1a'],
  limit: [1, 'ac395cc2d5140485'],
  setting: [1, '0496c624e6a1cebe'],
  audit: [1, '2a8ba53eb5ad0bdb'],
}

test.each(kinds.map(({ kind, version }) => [kind, version] as const))(
  'the machine of %s is the one of its version',
  (kind, version) => {
    const now = digestOf([join(actors, kind, 'machine.ts'), join(actors, 'evolve.ts')])
    expect(
      [version, now],
      `The code that makes the state of a ${kind} has changed. If the same facts now lead to another state, or a state has ` +
        `another shape, raise \`version\` in src/actors/${kind}/index.ts: snapshots of the old code are then not used. ` +
        `In any case pin it here: ${kind}: [${version}, '${now}']`,
    ).toEqual(PINNED[kind])
  },
)

test('notices code, and neither types nor comments nor formatting', () => {
  const code = (text: string) => canonical(text, 'a.ts')
  const before = code('export const a = (b: number) => b + 1')
  expect(code('/** Why. */\nexport const a = (\n  b: bigint,\n) => b + 1 // so')).toBe(before)
  expect(code('export const a = (b: number) => b + 2')).not.toBe(before)
})

test('goes through what the machine imports', () => {
  expect(reachable(join(actors, 'lock/machine.ts')).map((file) => relative(actors, file))).toEqual([
    'lock/machine.ts',
    'kind.ts',
  ])
})

function digestOf(roots: readonly string[]): string {
  const files = [...new Set(roots.flatMap((root) => reachable(root)))]
  const code = files.map((file) => `${relative(actors, file)}\n${canonical(readFileSync(file, 'utf8'), file)}`)
  return createHash('sha256').update(code.join('\n')).digest('hex').slice(0, 16)
}

/** The file and what it imports to run, each once. */
function reachable(file: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(file)) return []
  seen.add(file)
  for (const { moduleRequest, entries } of parseSync(file, readFileSync(file, 'utf8')).module.staticImports) {
    const typeOnly = entries.length > 0 && entries.every((entry) => entry.isType)
    if (!typeOnly && moduleRequest.value.startsWith('.')) reachable(resolve(dirname(file), moduleRequest.value), seen)
  }
  return [...seen]
}

/** The syntax tree of what runs, without where it stands. */
function canonical(text: string, file: string): string {
  const { program } = parseSync(file.replace(/\.ts$/, '.js'), stripTypeScriptTypes(text))
  return JSON.stringify(program, (key, value: unknown) => (PLACES.has(key) ? undefined : value))
}

const PLACES = new Set(['start', 'end', 'range', 'loc', 'comments'])
