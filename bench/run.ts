/**
 * npm run bench [-- --only tasks,latency] [--rounds 3] [--json]
 *
 * Prints the medians of several rounds, each figure beside what a bare loop reached in the same rounds.
 */
import { parseArgs } from 'node:util'
import { append } from './append.ts'
import { cluster } from './cluster.ts'
import { crash } from './crash.ts'
import { type Benchmark, inTemporaryDirectory, type Measurement, median } from './harness.ts'
import { http } from './http.ts'
import { latency } from './latency.ts'
import { describeMachine } from './machine.ts'
import { memory } from './memory.ts'
import { projections } from './projections.ts'
import { start } from './start.ts'
import { lockedTasks, tasks } from './tasks.ts'

const BENCHMARKS: readonly Benchmark[] = [
  append,
  tasks,
  lockedTasks,
  latency,
  http,
  crash,
  projections,
  start,
  memory,
  // Only where there is a server.
  ...(process.env.EVENTSTORE_URL ? [cluster] : []),
]

interface Row {
  readonly what: string
  readonly unit: string
  readonly median: number
  readonly least: number
  readonly most: number
  readonly bare?: { readonly what: string; readonly median: number; readonly ratio: number }
}

const { values: options } = parseArgs({
  options: { only: { type: 'string' }, rounds: { type: 'string' }, json: { type: 'boolean', default: false } },
})
const machine = describeMachine()
const chosen = choose(options.only)
if (!options.json) {
  const { node, cpu, cores, memoryGiB, fdatasyncUs, sha256MBps, load } = machine
  console.log(`Node ${node}, ${cores} cores (${cpu}), ${memoryGiB} GiB, load ${load.toFixed(1)}`)
  console.log(`fdatasync ${fdatasyncUs} µs, SHA-256 ${sha256MBps} MB/s\n`)
}
const results: Record<string, readonly Row[]> = {}
for (const benchmark of chosen) {
  if (!options.json) console.log(`${benchmark.name}: ${benchmark.about}`)
  const rounds: (readonly Measurement[])[] = []
  const count = options.rounds === undefined ? benchmark.rounds : Number(options.rounds)
  while (rounds.length < count) rounds.push(await inTemporaryDirectory((directory) => benchmark.round(directory)))
  const rows = summarise(rounds)
  results[benchmark.name] = rows
  if (!options.json) console.log(`${rows.map(line).join('\n')}\n`)
}
if (options.json) console.log(JSON.stringify({ at: new Date().toISOString(), machine, results }, null, 2))

function choose(only: string | undefined): readonly Benchmark[] {
  if (only === undefined) return BENCHMARKS
  const names = only.split(',')
  const unknown = names.find((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name))
  if (unknown !== undefined) {
    console.error(`There is no benchmark ${unknown}. There are ${BENCHMARKS.map(({ name }) => name).join(', ')}.`)
    process.exit(2)
  }
  return BENCHMARKS.filter(({ name }) => names.includes(name))
}

function summarise(rounds: readonly (readonly Measurement[])[]): Row[] {
  return (rounds[0] ?? []).map(({ what, unit, bare }, i) => {
    const all = rounds.map((round) => round[i]).filter((one) => one !== undefined)
    const values = all.map(({ value }) => value)
    const bares = all.map((one) => one.bare?.value ?? Number.NaN)
    const row = { what, unit, median: median(values), least: Math.min(...values), most: Math.max(...values) }
    if (bare === undefined) return row
    // Of each round by itself: what slowed one down slowed the other, too.
    const ratio = median(all.map((one, j) => one.value / (bares[j] ?? Number.NaN)))
    return { ...row, bare: { what: bare.what, median: median(bares), ratio } }
  })
}

function line({ what, unit, median, least, most, bare }: Row): string {
  const figure = `  ${what.padEnd(46)} ${plain(median).padStart(9)} ${unit.padEnd(10)}`
  const range = `${plain(least)} to ${plain(most)}`.padEnd(22)
  if (bare === undefined) return `${figure} ${range}`.trimEnd()
  return `${figure} ${range} ${bare.ratio.toPrecision(2).padStart(6)} × ${bare.what} (${plain(bare.median)})`
}

function plain(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
}
