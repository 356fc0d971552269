/** What a command prints reaches a reader that is slow; one that leaves ends no server. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { openSqliteStore } from '../../src/events/index.ts'
import { CAPSULE } from '../built.ts'
import { eventually, serve, submit, temporaryDirectory, until } from '../crash/server.ts'

vi.setConfig({ testTimeout: 60_000 })

const EVENTS = 2000
/** The command that prints a long stream. */
let show: string

beforeAll(async () => {
  const data = await temporaryDirectory()
  const store = await openSqliteStore({ directory: data })
  const metadata = { at: '2025-01-01T12:00:00.000Z', by: 'system', correlationId: 'c', causationId: 'c', v: 1 } as const
  const appends = Array.from({ length: EVENTS }, (_, n) =>
    store.append('work.task-long', n === 0 ? 'no-stream' : BigInt(n - 1), [
      { id: `${n}`, type: 'Noted', data: { n, text: 'x'.repeat(200) }, metadata },
    ]),
  )
  await Promise.all(appends)
  await store.close()
  show = `"${process.execPath}" "${CAPSULE}" audit show work.task-long --data "${data}"`
})

function shell(line: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return promisify(execFile)('bash', ['-c', line])
}

describe('what a command prints', () => {
  it('reaches a slow reader to the last line', async () => {
    const { stdout } = await shell(`${show} --json | (sleep 1; wc -l)`)
    expect(Number(stdout)).toBe(EVENTS)
  })

  it('may be left by its reader', async () => {
    const { stdout, stderr } = await shell(`${show} | head -n 1; echo "\${PIPESTATUS[0]}"`)
    expect(stdout).toMatch(/^ {3}0 .* Noted .*\n0\n$/)
    expect(stderr).toBe('')
  })
})

describe('a server whose lines nobody takes any more', () => {
  it('goes on, and waits for running work when it is stopped', async () => {
    const data = await temporaryDirectory()
    const gate = join(data, 'gate')
    const server = await serve({ app: 'test/crash/apps/work.ts', data })
    server.stopReading()
    const job = await submit(server, 'gate', { file: gate })
    await until(server, job, 'running')
    // It says on stderr that it waits.
    const ended = server.end('SIGTERM')
    await eventually('the server to take no more', () =>
      server.ask('GET', '/health').then(
        () => undefined,
        () => true,
      ),
    )
    await writeFile(gate, '')
    expect(await ended).toEqual({ code: 0, signal: null })
  })
})
