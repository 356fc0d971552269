/** A process that moves the log of `demo` (argv: from, to), and dies by SIGKILL when it begins the phase in argv[4]. */
import { flushCompileCache } from 'node:module'
import { migrateLog, placeOf } from '../../../src/events/index.ts'

// One that is killed keeps nothing of what it compiled for the next, unless it does so now.
flushCompileCache()

const [, , from = '', to = '', dieAt] = process.argv

await migrateLog({
  from: placeOf(from),
  to: placeOf(to),
  app: 'demo',
  onProgress: ({ phase }) => void (phase === dieAt && process.kill(process.pid, 'SIGKILL')),
})
