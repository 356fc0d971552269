/** capsule projections: how far the read models are, and having them made again from the log. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import type { ReadModelWire } from '../http/index.ts'
import { CommandFailed } from './errors.ts'
import { withWhere } from './log.ts'
import { print } from './output.ts'
import { ProgressLine } from './progress.ts'
import { openReadModelsOf, type Seen, type WhereFlags } from './read-models.ts'
import { partOf, percent, RebuildProgress } from './rebuild-progress.ts'
import { inColumns } from './table.ts'

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

async function status(flags: Flags): Promise<void> {
  const of = await openReadModelsOf(flags)
  try {
    const { head, models } = await of.look()
    const rows = models.map((model) => ({ ...model, behind: behind(model, head) }))
    await print(flags.json ? `${JSON.stringify({ head, read_models: rows })}\n` : table(rows))
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
  return inColumns([
    ['name', 'version', 'position', 'behind', 'state'],
    ...models.map((model) => [
      model.name,
      String(model.version),
      model.position,
      model.behind ?? 'not known',
      stateOf(model),
    ]),
  ])
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
  const progress = new RebuildProgress()
  const began = performance.now()
  try {
    const { head: upTo } = await of.look()
    await of.rebuild(name)
    for (;;) {
      const seen = await of.look()
      const models = seen.models.filter((model) => name === undefined || model.name === name)
      if (flags.json) for (const changed of progress.changed(models)) await print(`${JSON.stringify(changed)}\n`)
      else line.show(progress.text(models))
      if (models.every((model) => isDone(model, upTo))) break
      await pause(LOOK_EVERY_MS)
    }
    line.clear()
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const all = name === undefined ? 'All read models were' : `${name} was`
    if (!flags.json) await print(`${all} made again in ${seconds} s.\n`)
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
