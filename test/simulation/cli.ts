/**
 * `npm run simulate`: runs seeds until one breaks something.
 *
 *     npm run simulate -- --seeds 20000 --from 1     these seeds; stops at the first that fails
 *     npm run simulate -- --seed 4711                one seed, told step by step, and its log if it fails
 *     npm run simulate -- --seeds 20000 --all        does not stop; prints each that fails, and how often what was broken
 */
import { parseArgs } from 'node:util'
import { simulate } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    all: { type: 'boolean', default: false },
  },
})

/** A long run says how far it is. */
const TELL_EVERY = 500

if (values.seed === undefined) await many(Number(values.from), Number(values.seeds), values.all)
else await one(Number(values.seed))

async function many(from: number, count: number, goOn: boolean): Promise<void> {
  const started = performance.now()
  const broken = new Map<string, { times: number; seed: number }>()
  let events = 0
  let done = 0
  const tell = (): void => {
    const seconds = (performance.now() - started) / 1000
    const rate = (done / seconds).toFixed(1)
    const seeds = `${from} to ${from + done - 1}`
    console.log(`Seeds ${seeds}: ${done} seeds, ${events} events in ${seconds.toFixed(1)} s: ${rate} seeds/s`)
  }
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed)
    done++
    events += outcome.events.length
    const kinds = new Set(outcome.violations.map((violation) => violation.split(':')[0] ?? violation))
    for (const kind of kinds) {
      const known = broken.get(kind) ?? { times: 0, seed }
      broken.set(kind, { ...known, times: known.times + 1 })
    }
    if (done % TELL_EVERY === 0) tell()
    if (outcome.violations.length === 0) continue
    console.log(`Seed ${seed} fails:`)
    for (const violation of outcome.violations) console.log(`  ${violation}`)
    console.log(`Replay it with: npm run simulate -- --seed ${seed}`)
    if (!goOn) break
  }
  tell()
  for (const [kind, { times, seed }] of broken) console.log(`  ${times} × ${kind} (first: seed ${seed})`)
  if (broken.size > 0) process.exitCode = 1
}

async function one(seed: number): Promise<void> {
  const { violations, events, hash } = await simulate(seed, { trace: (line) => console.log(line) })
  if (violations.length > 0) {
    console.log('\nThe log:')
    for (const { recordedAt, stream, revision, type, data, metadata } of events) {
      const { params: _, backoff: __, tags: ___, error, submission: ____, ...shown } = data
      const time = new Date(recordedAt).toISOString().slice(11, 23)
      const why = typeof error === 'object' && error !== null && 'message' in error ? ` ${error.message}` : ''
      console.log(`${time} ${stream} ${revision} ${type} ${JSON.stringify(shown)}${why} by ${metadata.by}`)
    }
    process.exitCode = 1
  }
  console.log(`\nSeed ${seed}: ${events.length} events, log ${hash.slice(0, 16)}, ${violations.length} broken`)
  for (const violation of violations) console.log(`  ${violation}`)
}
