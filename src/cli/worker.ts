/** capsule worker: a node of a cluster that runs tasks and serves nothing, until it is told to stop. */
import { keepCompiled } from './compile-cache.ts'
import { readEnvironment } from './config.ts'
import { UsageError } from './errors.ts'
import { linesFrom } from './log-level.ts'
import { onSignal, start, started, stop } from './serve.ts'

export interface WorkerFlags {
  readonly data?: string
}

/** Resolves with the exit code once the node has stopped: 0 if all work came to its own end, 1 if some was interrupted. */
export async function worker(file: string, flags: WorkerFlags): Promise<0 | 1> {
  const environment = readEnvironment(process.env)
  if (environment.EVENTSTORE_URL === undefined) {
    throw new UsageError(
      'A worker takes its work from the log of a cluster: set EVENTSTORE_URL to its connection string (esdb://…). ' +
        'On one machine without a cluster, capsule serve runs the tasks itself.',
    )
  }
  const lines = linesFrom(environment.LOG_LEVEL)
  const stopped = onSignal()
  const running = await started(start(file, environment, flags.data, lines), stopped, lines)
  if (!running) return 1
  process.stdout.write(`${running.name} works as node ${running.nodeId}\n`)
  keepCompiled()
  await stopped
  return stop(running, lines)
}
