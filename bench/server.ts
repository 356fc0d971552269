/** A `capsule serve` of the build, for benchmarks that speak to it over HTTP. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join, resolve } from 'node:path'

const CAPSULE = resolve(import.meta.dirname, '../dist/cli/bin.js')

/** Serves an app's file on any free port, with its data below `directory`. */
export function serve(app: string, directory: string, env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [CAPSULE, 'serve', app, '--port', '0', '--data', join(directory, 'data')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
}

/** Of a server's first line: `… is running at http://…`. */
export async function urlOf(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout ?? []) {
    text += chunk
    const url = /http:\S+/.exec(text)?.[0]
    if (url !== undefined) return url
  }
  throw new Error(`The server ended: ${text}`)
}
