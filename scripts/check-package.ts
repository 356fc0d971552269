/**
 * Packs the package, unpacks it beside its declared dependencies and nothing else, and lives as its user would:
 * types an app against it, runs the app with `capsule`, calls it over HTTP and stops it; and the same with an app that
 * `capsule create` makes, whose own test passes.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'

const root = resolve(import.meta.dirname, '..')
const manifest = z.object({ dependencies: z.record(z.string(), z.string()) })
const DEADLINE = AbortSignal.timeout(300_000)

const APP = `import { createApp } from 'capsule-actors'
import { testApp } from 'capsule-actors/testing'
import { z } from 'zod'

export const app = createApp({ name: 'packed' })
export const double = app.task('double', { input: z.object({ n: z.number() }) }, async ({ n }) => n * 2)
export const inTests: typeof testApp = testApp
`

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    module: 'nodenext',
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    noEmit: true,
    types: ['node'],
  },
  include: ['app.ts'],
}

const directory = mkdtempSync(join(tmpdir(), 'capsule-package-'))
try {
  install()
  writeFileSync(join(directory, 'app.ts'), APP)
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(TSCONFIG))
  types(directory)
  refusesOldNode()
  await runs()
  await creates()
  console.log('The package installs, types, runs and stops, and so does the app that it creates.')
} finally {
  rmSync(directory, { recursive: true, force: true })
}

/** As `npm install` of the tarball would, but from what is here already. */
function install() {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', directory], {
    cwd: root,
    stdio: ['ignore', process.stderr, 'inherit'],
  })
  const [tarball = ''] = globSync('*.tgz', { cwd: directory })
  execFileSync('tar', ['-xzf', tarball], { cwd: directory })
  const modules = join(directory, 'node_modules')
  mkdirSync(modules)
  cpSync(join(directory, 'package'), join(modules, 'capsule-actors'), { recursive: true })
  const { dependencies } = manifest.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  for (const name of [...Object.keys(dependencies), '@types/node']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }))
  chmodSync(bin(), 0o755)
  mkdirSync(join(modules, '.bin'))
  symlinkSync(bin(), join(modules, '.bin/capsule'))
}

function bin(): string {
  const packed = join(directory, 'node_modules/capsule-actors')
  const { bin } = z
    .object({ bin: z.object({ capsule: z.string() }) })
    .parse(JSON.parse(readFileSync(join(packed, 'package.json'), 'utf8')))
  return join(packed, bin.capsule)
}

function types(project: string) {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--singleThreaded', '-p', project], {
    stdio: 'inherit',
  })
}

function refusesOldNode() {
  const old = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"20.20.0"}})'
  try {
    execFileSync(process.execPath, ['--import', old, bin()], { cwd: directory, encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    const { stderr } = z.object({ stderr: z.string() }).parse(error)
    if (/^capsule needs Node 24[^\n]*\n$/.test(stderr)) return
    throw new Error(`capsule says this on Node 20: ${stderr}`)
  }
  throw new Error('capsule ran on Node 20')
}

async function runs() {
  await serving('capsule serve app.ts --data data', directory, async (url) => {
    await expectAnswer(url, /capsule-app/)
    await expectAnswer(`${url}/components.js`, /customElements/)
    await expectAnswer(`${url}/docs`, /<html/)
    await expectAnswer(`${url}/api/v1/tasks/double/$execute`, /"result":42/, params({ n: 21 }))
  })
}

/** Below the packed package, where it finds what `npm install` would bring. */
async function creates() {
  execFileSync(process.execPath, [bin(), 'create', 'my-jobs'], { cwd: directory, stdio: 'ignore' })
  const created = join(directory, 'my-jobs')
  types(created)
  const { scripts } = z
    .object({ scripts: z.object({ start: z.string(), test: z.string() }) })
    .parse(JSON.parse(readFileSync(join(created, 'package.json'), 'utf8')))
  execFileSync('sh', ['-c', scripts.test], { cwd: created, stdio: 'inherit' })
  await serving(scripts.start, created, async (url) => {
    await expectAnswer(`${url}/api/v1/info`, /"my-jobs"/)
    await expectAnswer(`${url}/api/v1/tasks/build_report/$execute`, /"result":\{"pages":1\}/, params({ pages: 1 }))
  })
}

/** Serves an app by a command of a package's script, until `look` has seen enough. */
async function serving(command: string, cwd: string, look: (url: string) => Promise<void>) {
  const capsule = spawn('sh', ['-c', `exec ${command} --port 0`], {
    cwd,
    env: { ...process.env, PATH: `${join(directory, 'node_modules/.bin')}:${process.env.PATH}` },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: DEADLINE,
  })
  try {
    const url = await address(capsule)
    await expectAnswer(`${url}/health`, /healthy/)
    await look(url)
    const exit = once(capsule, 'exit')
    capsule.kill('SIGTERM')
    const [code] = await exit
    if (code !== 0) throw new Error(`capsule ended with ${code}`)
  } finally {
    capsule.kill('SIGKILL')
  }
}

function params(values: object): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ params: values }),
  }
}

async function address({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error('capsule has no output')
  for await (const line of createInterface(stdout)) {
    const url = /http:\S+/.exec(line)?.[0]
    if (url) return url
  }
  throw new Error('capsule ended before it was ready')
}

async function expectAnswer(url: string, pattern: RegExp, init: RequestInit = {}) {
  const answer = await fetch(url, { ...init, signal: DEADLINE })
  const text = await answer.text()
  if (!answer.ok || !pattern.test(text))
    throw new Error(`${url} answers ${answer.status}, not ${pattern}: ${text.slice(0, 400)}`)
}
