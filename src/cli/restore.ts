/** capsule restore: puts a backup in the place of a log, once it has proved to be whole. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { type Restored, restoreBackup } from '../events/index.ts'
import { print } from './output.ts'
import { counted, ProgressLine, progressText } from './progress.ts'

interface RestoreFlags {
  readonly from: string
  readonly data: string
  readonly json?: boolean
}

export function registerRestore(program: Command): void {
  program
    .command('restore')
    .description('puts a backup in the place of a log, verified')
    .requiredOption('--from <file>', 'the backup')
    .requiredOption('--data <directory>', 'where the log goes; it must have none')
    .option('--json', 'prints JSON')
    .addHelpText('after', '\nExample:\n  capsule restore --from ./backups/jobs-20250101T000000Z.db --data ./restored')
    .action(restore)
}

async function restore({ from, data, json }: RestoreFlags): Promise<void> {
  const line = new ProgressLine()
  let restored: Restored
  try {
    restored = await restoreBackup({
      file: existsSync(`${from}.json`) ? from : from.replace(/\.json$/, ''),
      directory: data,
      onProgress: (progress) => line.show(progressText(progress)),
    })
  } finally {
    line.clear()
  }
  await print(json ? `${JSON.stringify(restored)}\n` : `${told(restored)}\n`)
}

function told({ directory, events, apps, takenAt, unfinished }: Restored): string {
  const open =
    unfinished === 0
      ? ''
      : `\n${counted(unfinished, 'task')} had not ended then: what did so since runs again when the app is started.`
  return `${directory} has ${counted(events, 'event')} of ${apps.join(', ')} as of ${takenAt}.${open}`
}
