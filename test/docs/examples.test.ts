/**
 * Every TypeScript example of the documentation is type-checked. One that is marked `run` runs; `served` runs beside the
 * served jobs-demo, in place of http://127.0.0.1:3000. What an example says it prints (`// -> …`), in order, it prints.
 */
import { execFile, spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { CAPSULE } from '../built.ts'
import { here } from '../cli/here.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const SOURCE = '--conditions=capsule-source'
const SERVER = 'http://127.0.0.1:3000'

interface Example {
  readonly name: string
  readonly how: string
  readonly code: string
  readonly prints: readonly string[]
}

const examples: Example[] = []
for (const page of globSync(['*.md', 'docs/**/*.md'], { cwd: root }).sort()) {
  const text = await readFile(join(root, page), 'utf8')
  for (const { index, 1: how = '', 2: code = '' } of text.matchAll(/^```ts(.*)\n([\s\S]*?)^```$/gm)) {
    const line = text.slice(0, index).split('\n').length
    const prints = [...code.matchAll(/\/\/ -> (.*)$/gm)].map(([, printed = '']) => printed)
    examples.push({ name: `${page}:${line}`, how: how.trim(), code, prints })
  }
}

// Below the root, so that the examples find the package as its own users do.
let directory = ''
const fileOf = ({ name }: Example) => join(directory, `${name.replaceAll(/[^a-z0-9]+/gi, '-')}.ts`)

beforeAll(async () => {
  await mkdir(join(root, 'test-results'), { recursive: true })
  directory = await mkdtemp(join(root, 'test-results/docs-'))
  for (const example of examples) {
    const code = example.code.replaceAll(/'(?:\.\.\/)+src\//g, `'${relative(directory, root)}/src/`)
    await writeFile(fileOf(example), `${code}\nexport {}\n`)
  }
})
afterAll(() => rm(directory, { recursive: true }))

it('type-checks', { timeout: 180_000 }, async () => {
  const config = { extends: '../../tsconfig.base.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] }
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config))
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), ['--singleThreaded', '-p', directory]).catch(
    (error) => error,
  )
  expect(stdout).toBe('')
})

it('the page of the command has the commands that there are, and no others', async () => {
  const { stdout } = await here(['--help'])
  const there = [...stdout.matchAll(/^ {2}(\w+)(?: [[<]| {2})/gm)]
    .map(([, name]) => name)
    .filter((name) => name !== 'help')
  const page = await readFile(join(root, 'docs/cli.md'), 'utf8')
  const listed = [...page.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`capsule (\w+)/g)].map(([, name]) => name),
  )
  expect(listed.sort()).toEqual(there.sort())
})

describe('examples that run alone', () => {
  it.each(examples.filter(({ how }) => how === 'run'))('$name', { timeout: 30_000 }, async (example) => {
    expect(await printed(example)).toEqual(example.prints)
  })
})

describe('the served demo', () => {
  let url = ''
  let stop = async () => {}
  beforeAll(async () => {
    const args = [CAPSULE, 'serve', 'examples/jobs-demo/app.ts', '--port', '0', '--data', 'memory']
    const server = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
    const ended = new Promise<void>((settle) => server.once('exit', () => settle()))
    stop = async () => {
      server.kill()
      await ended
    }
    for await (const line of createInterface(server.stdout)) {
      url = /http:\S+/.exec(line)?.[0] ?? ''
      if (url) break
    }
  }, 30_000)
  afterAll(() => stop())

  it('has the routes that the page lists, and no others', async () => {
    const answer = await fetch(`${url}/openapi.json`)
    const { paths } = z
      .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
      .parse(await answer.json())
    const served = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const page = await readFile(join(root, 'docs/http-api.md'), 'utf8')
    const listed = [...page.matchAll(/^\| `([A-Z]+ [^`]+)` \|/gm)].map(([, route]) => route)
    expect(listed.sort()).toEqual(served.sort())
  })

  it.each(examples.filter(({ how }) => how === 'served'))('$name', { timeout: 30_000 }, async (example) => {
    const file = fileOf(example)
    const code = await readFile(file, 'utf8')
    expect(code).toMatch(/127\.0\.0\.1:3000/)
    await writeFile(
      file,
      code.replaceAll(SERVER, url).replaceAll(SERVER.replace('http', 'ws'), url.replace('http', 'ws')),
    )
    expect(await printed(example)).toEqual(example.prints)
  })
})

/** One that shows the inside of the package has all of it from the source; any other has the build, as a user's app. */
const copyOf = ({ code }: Example): readonly string[] => (/from '[./]+\/src\//.test(code) ? [SOURCE] : [])

async function printed(example: Example): Promise<string[]> {
  const file = fileOf(example)
  const { stdout, stderr } = await run(process.execPath, [...copyOf(example), file], {
    cwd: directory,
    timeout: 25_000,
  })
  expect(stderr, basename(file)).toBe('')
  return stdout.split('\n').filter((line) => line !== '')
}
