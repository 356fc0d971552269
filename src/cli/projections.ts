/** capsule projections: how far the read models are, and having them made again from the log. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import type { ReadModelWire } from '../http/index.ts'
import { CommandFailed } from './errors.ts'
import { ProgressLine, progressText } from './progress.ts'
import { openReadModelsOf, type Seen, type WhereFlags } from './read-models.ts'

interface Flags extends WhereFlags {
  readonly json?: boolean
}

export function registerProjections(program: Command): void {
  const projections = program.command('projections').description('the read models: how far they are, made again')
  withWhere(projections.command('status').description('how far the read models are behind the log'))
    .addHelpText(
      'after',
      '\nExamples:\n  capsule projections status --url http://127.0.0.1:3000\n' +
        '  capsule projections status --data ./data',
    )
    .action(status)
  withWhere(
    projections.command('rebuild').description('makes read models again from the log; a server answers meanwhile'),
  )
    .argument('[name]', 'of the read model, as status shows it (default: all)')
    .addHelpText(
      'after',
      '\nExamples:\n  capsule projections rebuild jobs --url http://127.0.0.1:3000\n' +
        '  capsule projections rebuild --data ./data',
    )
    .action(rebuild)
}

function withWhere(command: Command): Command {
  return command
    .option('--url <url>', 'a running server')
    .option('--key <key>', 'an API key of the server, with the scope admin to rebuild')
    .option('--data <directory>', 'with no server: the data directory (default: $CAPSULE_DATA or .capsule)')
    .option('--json', 'prints JSON')
}

async function status(flags: Flags): Promise<void> {
  const of = await openReadModelsOf(flags)
  try {
    const { head, models } = await of.look()
    const rows = models.map((model) => ({ ...model, behind: behind(model, head) }))
    if (flags.json) process.stdout.write(`${JSON.stringify({ head, read_models: rows })}\n`)
    else process.stdout.write(table(rows))
  } finally {
    await of.close()
  }
}

/** How many positions of the log it has not taken in; null if the log's head is not known. */
function behind({ position }: ReadModelWire, head: string | null): string | null {
  if (head === null) return null
  const missing = BigInt(head) - BigInt(position)
  return String(missing > 0n ? missing : 0n)
}

function table(models: readonly (ReadModelWire & { readonly behind: string | null })[]): string {
  const rows = [
    ['name', 'version', 'position', 'behind', 'state'],
    ...models.map((model) => [
      model.name,
      String(model.version),
      model.position,
      model.behind ?? 'not known',
      stateOf(model),
    ]),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => `${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}\n`).join('')
}

function stateOf({ position, rebuilding, rebuild, rebuild_failed: failed }: ReadModelWire): string {
  if (rebuild) return `rebuilding ${percent(partOf(rebuild))} %`
  if (failed !== null) return `in use; the last rebuild failed: ${failed}`
  return position === '-1' && !rebuilding ? 'not made yet' : 'in use'
}

const LOOK_EVERY_MS = 250

async function rebuild(name: string | undefined, flags: Flags): Promise<void> {
  const of = await openReadModelsOf(flags)
  const line = new ProgressLine()
  const progress = new Progress()
  const began = performance.now()
  try {
    const { head: upTo } = await of.look()
    await of.rebuild(name)
    for (;;) {
      const seen = await of.look()
      const models = seen.models.filter((model) => name === undefined || model.name === name)
      if (flags.json) progress.print(models)
      else line.show(progress.text(models))
      if (models.every((model) => isDone(model, upTo))) break
      await pause(LOOK_EVERY_MS)
    }
    line.clear()
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const all = name === undefined ? 'All read models were' : `${name} was`
    if (!flags.json) process.stdout.write(`${all} made again in ${seconds} s.\n`)
  } finally {
    line.clear()
    await of.close()
  }
}

/** @throws CommandFailed when it came to nothing */
function isDone({ name, position, rebuilding, rebuild_failed: failed }: ReadModelWire, upTo: Seen['head']): boolean {
  if (rebuilding) return false
  if (failed !== null) throw new CommandFailed(`${name} was not made again, and goes on as it was: ${failed}`)
  return upTo === null || BigInt(position) >= BigInt(upTo)
}

type Rebuild = NonNullable<ReadModelWire['rebuild']>

/** From 0 to 1. */
function partOf({ position, until }: Rebuild): number {
  return Math.min(1, (Number(position) + 1) / Math.max(1, Number(until) + 1))
}

function percent(part: number): number {
  return Math.floor(part * 100)
}

/** What is told of a rebuild while it goes on. */
class Progress {
  readonly #printed = new Map<string, string>()
  #first: { readonly at: number; readonly part: number; readonly events: number } | undefined

  /** A line of JSON for each that has changed. */
  print(models: readonly ReadModelWire[]): void {
    for (const model of models) {
      const json = JSON.stringify(model)
      if (this.#printed.get(model.name) !== json) process.stdout.write(`${json}\n`)
      this.#printed.set(model.name, json)
    }
  }

  /** `jobs 45 %, 1200 events of 2600, 3400 a second, 4 s left`: of the one that is furthest behind. */
  text(models: readonly ReadModelWire[], now: number = performance.now()): string {
    const [last] = models
      .flatMap(({ name, rebuild }) => (rebuild ? [{ name, rebuild, part: partOf(rebuild) }] : []))
      .sort((a, b) => a.part - b.part)
    if (last === undefined) return 'catching up with the log'
    const { name, rebuild, part } = last
    const { events, position, until } = rebuild
    this.#first ??= { at: now, part, events }
    const seconds = (now - this.#first.at) / 1000
    const gained = part - this.#first.part
    // Where positions count events, they tell how many there are in all.
    const total = events === Number(position) + 1 ? ` of ${Number(until) + 1}` : ''
    const rate = seconds > 0 ? `, ${Math.round((events - this.#first.events) / seconds)} a second` : ''
    const left = gained > 0 ? `, ${Math.ceil(((1 - part) / gained) * seconds)} s left` : ''
    return progressText({ phase: name, part, events }) + total + rate + left
  }
}
