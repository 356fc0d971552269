/** The archive on a disk that has no more room, and beside files of another. */
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openArchive, type RetiredStream, verifyCopy } from '../../src/events/index.ts'
import { recorded } from './noted.ts'

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

describe('an archive with files of another in it', () => {
  async function directory(): Promise<string> {
    const made = await mkdtemp(join(tmpdir(), 'capsule-archive-'))
    onTestFinished(() => rm(made, { recursive: true }))
    return made
  }

  /** One run that archives a stream of one event. */
  async function archivedTo(directory: string, stream: string): Promise<RetiredStream> {
    const archive = await openArchive({ directory, app: 'demo' })
    try {
      const copy = await archive.write(stream, [recorded(stream, [`of-${stream}`])])
      await archive.sync()
      return copy
    } finally {
      await archive.close()
    }
  }

  async function putTogether(from: string, to: string): Promise<void> {
    for (const name of await readdir(from))
      if (name.endsWith('.jsonl')) await copyFile(join(from, name), join(to, name))
  }

  it('adds to its own alone, so they can be put together again and again', async () => {
    const [mine, others] = [await directory(), await directory()]
    const copies = [await archivedTo(mine, 'demo.task-1'), await archivedTo(others, 'demo.task-2')]
    for (let n = 3; n < 7; n += 2) {
      await putTogether(others, mine)
      copies.push(await archivedTo(mine, `demo.task-${n}`), await archivedTo(others, `demo.task-${n + 1}`))
    }
    await putTogether(others, mine)
    for (const copy of copies) expect(await verifyCopy(mine, copy)).toEqual({ ok: true })
    expect((await readdir(others)).filter((name) => name.endsWith('.jsonl'))).toHaveLength(1)
  })
})
