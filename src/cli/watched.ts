/**
 * The program of a server that is watched: `capsule`, which tells the process that watches it what files it loads, and ends
 * when that is gone. Its first argument is that process; the others are those of `capsule`.
 */
import { writeSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { CODE_ROOT, programFile } from '../events/package.ts'
import { FILES_FD, lineOf, stampOf } from './loaded-files.ts'

const [parentPid] = process.argv.splice(2, 1)

const watchdog = new Worker(programFile('execution/process/watchdog'), {
  workerData: { parentPid: Number(parentPid), memoryBytes: undefined },
  name: 'capsule-watchdog',
  resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
})
watchdog.unref()

const told = new Set<string>()

function tell(url: unknown): void {
  if (typeof url !== 'string' || !url.startsWith('file:')) return
  const file = fileURLToPath(url)
  if (told.has(file) || file.startsWith(CODE_ROOT) || file.includes('/node_modules/')) return
  told.add(file)
  try {
    writeSync(FILES_FD, lineOf({ file, stamp: stampOf(file) }))
  } catch {} // whoever watched is gone, and the watchdog ends this, too
}

registerHooks({
  resolve(specifier, context, next) {
    try {
      const resolved = next(specifier, context)
      tell(resolved.url)
      return resolved
    } catch (error) {
      // One that is not there yet mends it when it comes.
      if (error instanceof Error && 'url' in error) tell(error.url)
      throw error
    }
  },
})

await import('./bin.ts')
