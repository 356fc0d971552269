/** runShell: what a command says and how it ends, and that nothing of it is left. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runShell } from '../../src/index.ts'
import { eventually, isGone, pidsIn, scratch } from './running.ts'

/** A command that writes its own pid and that of what it started, and stays. */
const staying = (file: string) => `sleep 600 & echo "{\\"pid\\": $$, \\"grandchild\\": $!}" > ${file}; wait`

describe('runShell', { timeout: 20_000 }, () => {
  it('tells what the command printed and how it ended', async () => {
    const command = 'echo out; echo err >&2; exit 3'
    expect(await runShell(command)).toEqual({ command, stdout: 'out\n', stderr: 'err\n', returncode: 3 })
    expect(await runShell('echo "$0 $1" | tr a-z A-Z')).toMatchObject({ returncode: 0 })
    expect(await runShell('cat')).toMatchObject({ stdout: '', returncode: 0 })
    expect(await runShell('no-such-command-anywhere')).toMatchObject({ returncode: 127 })
    expect(await runShell('kill -TERM $$')).toMatchObject({ returncode: 143 })
  })

  it('runs it in a directory and an environment', async () => {
    const cwd = await scratch()
    expect((await runShell('pwd -P', { cwd })).stdout.trim()).toContain(cwd.split('/').at(-1))
    const env = { PATH: process.env.PATH, GREETING: 'grüezi' }
    expect((await runShell('echo "$GREETING $HOME"', { env })).stdout.trim()).toBe('grüezi')
    expect(await runShell('true', { cwd: join(cwd, 'nowhere') })).toMatchObject({
      returncode: -1,
      stderr: expect.stringContaining('could not be started'),
    })
  })

  // A promise: see docs/promises.md.
  it('kills it with all that it started on a timeout, and returns -1 with what it had printed', async () => {
    const file = join(await scratch(), 'pids')
    const { stdout, stderr, returncode } = await runShell(`echo before; ${staying(file)}`, { timeout: 3 })
    expect({ stdout, returncode }).toEqual({ stdout: 'before\n', returncode: -1 })
    expect(stderr).toContain('timeout of 3000 ms')
    const { pid, grandchild } = await pidsIn(file)
    await eventually('their end', () => (isGone(pid) && isGone(grandchild)) || undefined)
  })

  it('kills it on an abort, and throws its reason', async () => {
    const file = join(await scratch(), 'pids')
    const controller = new AbortController()
    const aborted = runShell(staying(file), { signal: controller.signal })
    const { pid, grandchild } = await pidsIn(file)
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    await eventually('their end', () => (isGone(pid) && isGone(grandchild)) || undefined)
    await expect(runShell(`touch ${file}.2`, { signal: controller.signal })).rejects.toThrow('enough')
    expect(existsSync(`${file}.2`)).toBe(false)
  })

  it('does not wait for what the command left in the background, and leaves that alone', async () => {
    const file = join(await scratch(), 'pids')
    const command = `sleep 600 & echo "{\\"pid\\": $$, \\"grandchild\\": $!}" > ${file}`
    expect(await runShell(command)).toMatchObject({ returncode: 0 })
    const { grandchild } = await pidsIn(file)
    expect(isGone(grandchild)).toBe(false)
    process.kill(grandchild, 'SIGKILL')
  })

  it('keeps the first 10 MiB of what it prints, and says how much is left out', async () => {
    const { stdout, returncode } = await runShell(`head -c 11534336 /dev/zero | tr '\\0' x`)
    expect(returncode).toBe(0)
    expect(stdout).toMatch(/^x{1000}/)
    expect(stdout.slice(10 * 1024 ** 2)).toBe('\n… (1048576 more bytes were left out)')
  })
})
