/**
 * Holds the pages to the code: the first program is the demo, scripts, commands and their flags exist, links lead somewhere,
 * what an app or a page can set is explained, and routes, topics and live commands are listed as they are.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { commandLine } from '../../src/cli/program.ts'
import { catalogue } from '../../src/events/index.ts'
import { commands } from '../../src/http/commands.ts'
import { ROUTES } from '../../src/http/routes.ts'
import { taskSubmit } from '../../src/http/schemas/index.ts'
import { topics } from '../../src/http/topics.ts'
import { CLOSE } from '../../src/http/wire.ts'
import { READ_MODELS } from '../../src/projections/models/all.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root }).sort()

it('shows the demo as it is', () => {
  const [, shown] = /<!-- examples\/jobs-demo\/app\.ts -->\n```ts\n([\s\S]*?)^```$/m.exec(read('README.md')) ?? []
  expect(shown).toBe(read('examples/jobs-demo/app.ts'))
})

it.each(pages)('%s names only scripts and files that exist', (page) => {
  const text = read(page)
  const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(read('package.json')))
  const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name)
  expect(named.filter((name) => !(name in scripts))).toEqual([])

  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => link)
  const local = links.filter((link) => !/^[a-z]+:/.test(link))
  expect(local.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([])

  const sources = [...text.matchAll(/`((?:src|test|web-components|scripts|examples|docs)\/[\w./-]+)`/g)].map(
    ([, path = '']) => path,
  )
  expect(sources.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

it('lists every attribute, event, slot and part of every element', () => {
  const page = read('docs/web-components.md')
  const missing = globSync('web-components/*/*.ts', { cwd: root }).flatMap((file) => {
    const source = read(file)
    const [, element] = /@element ([\w-]+)/.exec(source) ?? []
    if (!element) return []
    const section = page.split(/^## /m).find((text) => text.startsWith(`\`<${element}>\``)) ?? ''
    const tags = [...source.matchAll(/^ \* @(?:attr|fires|slot|csspart)(?: \{[^}]*\})? ([\w-]+)/gm)].map(
      ([, name = '']) => name,
    )
    return tags.filter((name) => !section.includes(`\`${name}\``)).map((name) => `${element}: ${name}`)
  })
  expect(missing).toEqual([])
})

it.each([
  ['TaskOptions', 'src/app/task.ts', 'docs/concepts/tasks.md'],
  ['TaskContext', 'src/app/task.ts', 'docs/concepts/tasks.md'],
  ['CronOptions', 'src/app/app.ts', 'docs/concepts/schedules.md'],
])('explains every member of %s', (name, file, page) => {
  const [, body = ''] =
    new RegExp(`export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}$`, 'm').exec(read(file)) ?? []
  const members = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[?(:]/gm)].map(([, member = '']) => member)
  expect(members.length).toBeGreaterThan(3)
  const text = read(page)
  expect(
    members.filter((member) => !new RegExp(`\`${member}\\b`).test(text)),
    `${page} lacks`,
  ).toEqual([])
})

it('names every kind of stream and every read model that there is', () => {
  const kinds = Object.keys(catalogue)
  expect(kinds.filter((kind) => !read('docs/concepts/log.md').includes(`\`${kind}\``))).toEqual([])
  const models = READ_MODELS.map(({ name }) => name)
  expect(models.filter((name) => !read('docs/concepts/projections.md').includes(`\`${name}\``))).toEqual([])
})

/** What stands as code in the first cell of the rows of a page's tables. */
const firstCells = (page: string) => [...read(page).matchAll(/^\| `([^`|]*)` \|/gm)].map(([, cell = '']) => cell)

it('lists the routes of the HTTP API that there are, with their methods, and no others', () => {
  const there = ROUTES.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
  expect(firstCells('docs/http-api.md').sort()).toEqual(there.sort())
})

it('lists what a submit takes over HTTP', () => {
  const row = read('docs/http-api.md')
    .split('\n')
    .find((line) => line.includes('{name}/$submit`'))
  const { name: _, ...fields } = taskSubmit.shape
  expect(Object.keys(fields).filter((field) => !new RegExp(`\\b${field}\\b`).test(row ?? ''))).toEqual([])
})

it('lists the topics, commands and close codes of the live protocol that there are, with what each takes', () => {
  const page = read('docs/live-protocol.md')
  const there = [...Object.keys(topics), ...Object.keys(commands), ...Object.values(CLOSE).map(String)]
  const codes = [...page.matchAll(/^\| (\d{4}) \|/gm)].map(([, code = '']) => code)
  expect([...firstCells('docs/live-protocol.md'), ...codes].sort()).toEqual(there.sort())

  const row = (name: string) => page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`)) ?? ''
  const fieldsOf = (schema: z.ZodType) => (schema instanceof z.ZodObject ? Object.keys(schema.shape) : [])
  const fields = [
    ...Object.entries(topics).flatMap(([name, { params }]) => fieldsOf(params).map((field) => [name, field] as const)),
    ...Object.entries(commands).flatMap(([name, { payload }]) =>
      fieldsOf(payload).map((field) => [name, field] as const),
    ),
  ]
  expect(fields.length).toBeGreaterThan(15)
  expect(fields.filter(([name, field]) => !new RegExp(`\\b${field}\\b`).test(row(name)))).toEqual([])
})

it.each(pages)('%s shows only commands and flags of the command line that there are', (page) => {
  const text = read(page)
  const inline = [...text.matchAll(/`capsule ([^`]+)`/g)].map(([, line = '']) => line)
  const inBlocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
    [...block.matchAll(/^(?:[A-Z_]+=\S+ )*(?:npx )?capsule ([^#\n]+)/gm)].map(([, line = '']) => line),
  )
  expect([...inline, ...inBlocks].flatMap(unknownOf)).toEqual([])
})

it('would name a command or a flag that there is not', () => {
  expect(unknownOf('tasks pauze build_report')).toEqual(['capsule tasks pauze build_report: pauze'])
  expect(unknownOf('submit build_report [--dealy 1h]')).toEqual(['capsule submit build_report [--dealy 1h]: --dealy'])
})

/** Names of commands and flags in a line that the command line does not have. */
function unknownOf(line: string): string[] {
  const words = line.split(/[\s[\],]+/)
  let command: Command = commandLine()
  while (command.commands.length > 0 && /^[a-z]/.test(words[0] ?? '') && command.registeredArguments.length === 0) {
    const name = words.shift()
    const found = command.commands.find((each) => each.name() === name)
    if (!found) return [`capsule ${line}: ${name}`]
    command = found
  }
  const flags = ['--help', ...command.options.map(({ long }) => long)]
  return words
    .filter((word) => word.startsWith('--') && !flags.includes(word))
    .map((flag) => `capsule ${line}: ${flag}`)
}

it('names every environment variable that the command reads', () => {
  const [, body = ''] = /z\.object\(\{\n([\s\S]*?)^\}\)/m.exec(read('src/cli/config.ts')) ?? []
  const names = [...body.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name = '']) => name)
  expect(names.length).toBeGreaterThan(3)
  expect(names.filter((name) => !read('docs/operations.md').includes(name))).toEqual([])
})
