/** Holds the pages to the code: the first program is the demo, commands exist, links lead somewhere, and what
 * an app or a page can set is explained. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { catalogue } from '../../src/events/index.ts'
import { ROUTES } from '../../src/http/server.ts'
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

it('names every route of the HTTP API', () => {
  const page = read('docs/http-api.md')
  const paths = ROUTES.map(({ path }) => path.replaceAll(/:(\w+)/g, '{$1}'))
  expect(paths.length).toBeGreaterThan(30)
  expect(paths.filter((path) => !page.includes(path))).toEqual([])
})

it('names every environment variable that the command reads', () => {
  const [, body = ''] = /z\.object\(\{\n([\s\S]*?)^\}\)/m.exec(read('src/cli/config.ts')) ?? []
  const names = [...body.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name = '']) => name)
  expect(names.length).toBeGreaterThan(3)
  expect(names.filter((name) => !read('docs/operations.md').includes(name))).toEqual([])
})
