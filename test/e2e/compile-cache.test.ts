/** What is compiled at one start is kept for the next, also when the process is killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CAPSULE } from '../built.ts'
import { temporaryDirectory } from '../crash/server.ts'

const ROOT = join(import.meta.dirname, '../..')

it('a server that is killed leaves what it compiled in the cache directory of its user', async () => {
  const home = await temporaryDirectory()
  const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...environment } = process.env
  const args = [CAPSULE, 'serve', 'examples/jobs-demo/app.ts', '--port', '0', '--data', 'memory']
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...environment, XDG_CACHE_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(child, 'exit')
  try {
    await once(child.stdout, 'data')
    // It is written right after the line that says where the server is.
    await expect.poll(() => countOf(join(home, 'capsule-actors')), { timeout: 20_000 }).toBeGreaterThan(100)
  } finally {
    child.kill('SIGKILL')
    await gone
  }
  expect(await countOf(join(home, 'capsule-actors'))).toBeGreaterThan(100)
}, 30_000)

/** Files below a directory, which may not be there yet. */
async function countOf(directory: string): Promise<number> {
  return (await readdir(directory, { recursive: true }).catch(() => [])).length
}
