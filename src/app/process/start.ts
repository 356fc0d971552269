/** The processes of an app that declares process tasks. */
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from '../../actors/index.ts'
import { programFile } from '../../events/index.ts'
import { TaskProcesses } from '../../execution/index.ts'
import type { App } from '../app.ts'

/** None if the app needs none. @throws TypeError if nobody knows which file its processes must import */
export function processesOf(app: App, entry: string | undefined, clock: Clock): TaskProcesses | undefined {
  const [task] = [...app.tasks.values()].filter(({ process }) => process)
  if (!task) return undefined
  const file = entry ?? app.entry
  if (file === undefined) {
    throw new TypeError(
      `The task "${task.name}" runs in a process of its own, which imports the file that exports the app. ` +
        'Say which one it is: createApp({ name, entry: import.meta.url })',
    )
  }
  const module = pathToFileURL(programFile('app/process/guest')).href
  return new TaskProcesses({
    guest: { module, entry: urlOf(file), app: app.name },
    clock,
  })
}

/** A path is one from where this process runs, as everywhere; the process of a task would take it as one from its own code. */
function urlOf(file: string): string {
  return isAbsolute(file) || !URL.canParse(file) ? pathToFileURL(resolve(file)).href : file
}

/** Has processes ready for the first tasks. */
export function warm(processes: TaskProcesses, app: App): void {
  const limits = [...app.tasks.values()].flatMap(({ process }) => (process ? [process.memoryBytes] : []))
  for (const memoryBytes of new Set(limits)) processes.warm(memoryBytes)
}
