/** The archive on a disk that has no more room. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'

const run = promisify(execFile)

/** Archives a stream of some 260 KB where no file may be larger than `blocks` of 512 or 1024 bytes, as the shell counts. */
async function archived(blocks: string) {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-archive-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const child = join(import.meta.dirname, 'archive-child.ts')
  const limited = `ulimit -f ${blocks}; exec "$0" "$@"`
  const { stdout } = await run('sh', ['-c', limited, process.execPath, '--conditions=capsule-source', child, directory])
  const [file = ''] = (await readdir(directory)).filter((name) => name.endsWith('.jsonl'))
  return { said: stdout.trim(), bytes: (await stat(join(directory, file))).size }
}

describe('a stream for which there is room only in part', () => {
  it('is not archived, and leaves nothing', async () => {
    expect(await archived('100')).toEqual({ said: 'archive-unavailable', bytes: 0 })
  })

  it('is, where there is room', async () => {
    const { said, bytes } = await archived('unlimited')
    expect(said).toBe(`kept ${bytes} bytes`)
    expect(bytes).toBeGreaterThan(200_000)
  })
})
