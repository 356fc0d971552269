/**
 * `npm test`: every check of the project, whatever the earlier ones said. The last line is
 * `N passed, N failed`, where a lint step, a built package and each test of Vitest count as one. Arguments go to Vitest;
 * `npm run lint` is the same with `--lint`, and takes the lint steps only.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'

// Threads of tsc check the types that they share once each: one takes half the processor time of four.
const LINT: Readonly<Record<string, readonly string[]>> = {
  'format and lint': ['biome', 'check', '--error-on-warnings', '.'],
  'types of the server, its tests and examples': ['tsc', '--singleThreaded', '-p', 'tsconfig.json'],
  'types of the web components': ['tsc', '--singleThreaded', '-p', 'web-components'],
  'import rule': ['node', 'scripts/imports.ts'],
  'dead code': ['knip', '--no-progress'],
}
const PACKAGE = { 'the package, installed': ['node', 'scripts/check-package.ts'] }
const CHROMIUM = { 'a Chromium to test in': ['node', 'scripts/chromium.ts'] }
/** Of what was built for the package. */
const SIZE = { 'size of the web components': ['size-limit'] }

/** What Vitest's JSON report says, as far as it is asked. */
const report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  testResults: z.array(
    z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })) }),
  ),
})

const root = resolve(import.meta.dirname, '..')
const COMPILE_CACHE = join(root, 'node_modules/.cache/compile')
let passed = 0
let failed = 0

if (process.argv[2] === '--lint') await checkTogether(LINT)
else {
  await check(CHROMIUM)
  // Beside the other checks from the start: pages wait a lot, to be drawn and for what they show.
  const said: Buffer[] = []
  const inBrowser = vitest('browser', process.argv.slice(2), (chunk) => said.push(chunk))
  // The longest first.
  await checkTogether({ ...PACKAGE, ...LINT })
  await check(SIZE)
  console.log('\n> tests: vitest run')
  await Promise.all([
    vitest('node', process.argv.slice(2)),
    inBrowser.finally(() => console.log(`${Buffer.concat(said)}`)),
  ])
  if (!process.env.EVENTSTORE_URL) console.log('\nEventStoreDB contract: not run, EVENTSTORE_URL is not set')
}

console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

async function check(commands: typeof LINT) {
  for (const [name, command] of Object.entries(commands)) {
    console.log(`\n> ${name}: ${command.join(' ')}`)
    count(name, (await run(command)) === 0)
  }
}

/** The same three at a time, for commands that need nothing of each other. What one says comes when it is through. */
async function checkTogether(commands: typeof LINT) {
  const left = Object.entries(commands).values()
  const inTurn = async () => {
    for (const [name, command] of left) {
      const said: Buffer[] = []
      const code = await run(command, (chunk) => said.push(chunk))
      console.log(`\n> ${name}: ${command.join(' ')}\n${Buffer.concat(said)}`.trimEnd())
      count(name, code === 0)
    }
  }
  await Promise.all([inTurn(), inTurn(), inTurn()])
}

function count(name: string, ok: boolean) {
  if (ok) passed++
  else {
    failed++
    console.log(`FAILED: ${name}`)
  }
}

/** Runs a command of node_modules/.bin, its output passed on as it comes unless somebody takes it; its exit code. */
function run(command: readonly string[], take?: (chunk: Buffer) => void): Promise<number> {
  const [program = '', ...args] = command
  const bin = join(root, 'node_modules/.bin')
  return new Promise((settle, fail) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: take ? ['ignore', 'pipe', 'pipe'] : 'inherit',
      // Dozens of tests start the command: with what it compiled kept, each start takes half the processor time.
      env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, NODE_COMPILE_CACHE: COMPILE_CACHE },
    })
    if (take) for (const output of [child.stdout, child.stderr]) output?.on('data', take)
    child.on('error', fail)
    child.on('close', (code) => settle(code ?? 1))
  })
}

async function vitest(project: string, args: readonly string[], take?: (chunk: Buffer) => void) {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-test-'))
  try {
    const file = join(directory, 'report.json')
    // Of files that are named, the other project may have all.
    const options = ['--passWithNoTests', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const exitCode = await run(['vitest', 'run', '--project', project, ...options, ...args], take)
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text === undefined) return count(`vitest made no report of its project ${project}`, false)
    const { numPassedTests, numFailedTests, testResults } = report.parse(JSON.parse(text))
    passed += numPassedTests
    failed += numFailedTests
    const failedBefore = failed
    // A test that is skipped, or a file that does not load, proves nothing.
    for (const { status, assertionResults } of testResults) {
      if (status === 'failed' && assertionResults.length === 0) count('a file of tests did not load', false)
      for (const test of assertionResults) {
        if (test.status !== 'passed' && test.status !== 'failed') count(`${test.status}: ${test.fullName}`, false)
      }
    }
    const explained = numFailedTests > 0 || failed > failedBefore
    if (exitCode !== 0 && !explained) count('vitest: an error outside the tests', false)
  } finally {
    await rm(directory, { recursive: true })
  }
}
