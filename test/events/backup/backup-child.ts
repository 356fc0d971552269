/**
 * A process that makes a backup (argv: backup, directory, to) or restores one (restore, directory, file), and dies by
 * SIGKILL when it begins the phase in argv[5].
 */
import { flushCompileCache } from 'node:module'
import { backupDirectory, restoreBackup } from '../../../src/events/index.ts'

// One that is killed keeps nothing of what it compiled for the next, unless it does so now.
flushCompileCache()

const [, , what, directory = '', file = '', phase] = process.argv

function die(progress: { readonly phase: string; readonly part?: number }): void {
  if (progress.phase === phase) process.kill(process.pid, 'SIGKILL')
}

if (what === 'backup') await backupDirectory(directory, { to: file, onProgress: die })
else await restoreBackup({ directory, file, onProgress: die })
