/** Proves that the import rule bites: small projects that break it, one way each. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { violations } from '../../scripts/imports.ts'

async function broken(files: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'capsule-imports-'))
  onTestFinished(() => rm(root, { recursive: true }))
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
  return violations(root).map(({ file, line, reason }) => `${file}:${line} ${reason}`)
}

const layers = 'events <- actors, projections <- execution <- app <- http <- cli, testing'

it.each([
  [
    'a lower folder takes from a higher one',
    'src/events/a.ts',
    `import '../actors/index.ts'`,
    `events does not import actors: ${layers}`,
  ],
  [
    'actors take from projections',
    'src/actors/a.ts',
    `export * from '../projections/index.ts'`,
    `actors does not import projections: ${layers}`,
  ],
  [
    'even a type, upwards',
    'src/app/a.ts',
    `import type { A } from '../http/index.ts'`,
    `app does not import http: ${layers}`,
  ],
  [
    'past the door',
    'src/app/a.ts',
    `import { x } from '../events/hash.ts'`,
    'src/events is imported through its index.ts only',
  ],
  [
    'past the door, when used',
    'web-components/chat/a.ts',
    `void import('../client/rest.ts')`,
    'web-components/client is imported through its index.ts only',
  ],
  [
    'the package from within',
    'src/http/a.ts',
    `import { x } from '../index.ts'`,
    'a folder does not import the package that it is part of',
  ],
  [
    'code of the server in a page',
    'web-components/chat/a.ts',
    `import { x } from '../../src/http/wire.ts'`,
    'web components take only `import type` from src/http/wire.ts',
  ],
  [
    'other types of the server in a page',
    'web-components/chat/a.ts',
    `import type { X } from '../../src/http/jobs.ts'`,
    'web components take only `import type` from src/http/wire.ts',
  ],
  [
    'a page in the server',
    'src/http/a.ts',
    `import { x } from '../../web-components/client/index.ts'`,
    'src imports nothing from web-components',
  ],
  [
    'a test in the product',
    'src/http/a.ts',
    `import { x } from '../../test/http/x.ts'`,
    'src imports nothing from test',
  ],
  [
    'a statechart outside the actors',
    'src/app/a.ts',
    `import { setup } from 'xstate'`,
    'xstate is imported in src/actors/ only',
  ],
  [
    'a part of a package',
    'src/app/a.ts',
    `import x from '@eventstore/db-client/x'`,
    '@eventstore/db-client is imported in src/events/stores/eventstoredb/ only',
  ],
  ['a server outside http', 'src/cli/a.ts', `import Fastify from 'fastify'`, 'fastify is imported in src/http/ only'],
  [
    'SQL anywhere',
    'src/execution/a.ts',
    `import { DatabaseSync } from 'node:sqlite'`,
    'node:sqlite is imported in src/events/stores/sqlite/ and src/actors/snapshots/ and src/projections/ only',
  ],
  ['Node without its name', 'src/events/a.ts', `import 'fs'`, 'write node:fs'],
])('refuses %s', async (_, file, text, reason) => {
  expect(await broken({ [file]: `\n${text}\n` })).toEqual([`${file}:2 ${reason}`])
})

it('refuses a circle, once, and lets types run in one', async () => {
  const reason = 'a circle: src/app/a.ts -> src/app/b.ts -> src/app/a.ts'
  expect(await broken({ 'src/app/a.ts': `import './b.ts'`, 'src/app/b.ts': `import './a.ts'` })).toEqual([
    `src/app/b.ts:1 ${reason}`,
  ])
  expect(
    await broken({ 'src/app/a.ts': `import './b.ts'`, 'src/app/b.ts': `import type { A } from './a.ts'` }),
  ).toEqual([])
})

it('refuses a folder that has no place', async () => {
  await expect(broken({ 'src/app/a.ts': `import '../extras/index.ts'` })).rejects.toThrow('src/extras has no place')
})

it('lets through what the rule allows', async () => {
  expect(
    await broken({
      'src/events/stores/sqlite/a.ts': `import 'node:sqlite'\nimport '../../event.ts'`,
      'src/actors/a.ts': `import 'xstate'\nimport '../events/index.ts'`,
      'src/cli/a.ts': `import '../http/index.ts'\nimport 'zod'`,
      'src/index.ts': `export * from './app/index.ts'`,
      'web-components/chat/a.ts': `import type { A } from '../../src/http/wire.ts'\nimport { b } from '../client/index.ts'\nimport css from '../shared/tokens.css?inline'`,
    }),
  ).toEqual([])
})

it('lets the executable alone load first what it must, past the door', async () => {
  const early = `void import('../events/threads.ts')`
  const reason = 'src/events is imported through its index.ts only'
  expect(await broken({ 'src/cli/bin.ts': early })).toEqual([])
  expect(await broken({ 'src/cli/serve.ts': early })).toEqual([`src/cli/serve.ts:1 ${reason}`])
  expect(await broken({ 'src/cli/bin.ts': `import '../events/hash.ts'` })).toEqual([`src/cli/bin.ts:1 ${reason}`])
})

it('is kept by this project', () => {
  expect(violations(resolve(import.meta.dirname, '../..'))).toEqual([])
})
