/** capsule manifest: the definition of an app on stdout, without starting it. */
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { here } from '../cli/here.ts'
import { ROOT, run, temporaryDirectory } from '../crash/server.ts'

vi.setConfig({ testTimeout: 60_000, maxConcurrency: 2 })

const BUILT = join(ROOT, 'dist/index.js')
/** From the build, for the command of the build; in this process it is the package's name. */
const create = (from = 'capsule-actors'): string => `import { createApp } from ${JSON.stringify(from)}\n`

async function appFile(source: string): Promise<string> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module', version: '1.2.0' }))
  await writeFile(join(directory, 'app.ts'), source)
  return join(directory, 'app.ts')
}

describe.concurrent('capsule manifest', () => {
  it('prints the definition of the demo, the same each time, and opens no data', async () => {
    const data = join(await temporaryDirectory(), 'data')
    const first = await run(['manifest', 'examples/jobs-demo/app.ts'], { CAPSULE_DATA: data })
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(first.stdout)).toMatchObject({
      name: 'jobs-demo',
      has_chat: true,
      tasks: [{ name: 'build_report', lock: { key: 'report:{report_id}', on_locked: 'join' } }],
      schedules: [{ name: 'weekday_digest', cron: '0 9 * * 1-5' }],
      pages: [{ name: 'Tasks', slug: 'tasks' }],
    })
    expect(first.stdout).toMatch(/^\{\n {2}"name"/)
    await expect(stat(data)).rejects.toThrow('ENOENT')
    expect(await here(['manifest', 'examples/jobs-demo/app.ts'])).toEqual(first)
  })

  it('says the version of the package that the file is in, and with --json all on one line', async () => {
    const file = await appFile(`${create()}export const app = createApp({ name: 'x' })`)
    const { code, stdout } = await here(['manifest', file, '--json'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\{[^\n]+\}\n$/)
    expect(JSON.parse(stdout)).toMatchObject({ name: 'x', version: '1.2.0', tasks: [], schedules: [], pages: [] })
  })

  it('keeps what the file itself prints out of it', async () => {
    const file = await appFile(`${create(BUILT)}export const app = createApp({ name: 'x' })\nconsole.log('loading')`)
    const { stdout, stderr } = await run(['manifest', file])
    expect(JSON.parse(stdout)).toMatchObject({ name: 'x' })
    expect(stderr).toBe('loading\n')
  })

  it('says of a file without an app what serve says', async () => {
    const file = await appFile('export const one = 1')
    const manifest = await here(['manifest', file])
    expect(manifest).toMatchObject({ code: 1, stdout: '' })
    expect(manifest).toEqual(await here(['serve', file, '--port', '0', '--data', 'memory']))
  })

  it.for([
    { args: ['nowhere.ts'], says: 'There is no file nowhere.ts' },
    { args: [], says: "missing required argument 'app.ts'" },
    { args: ['examples/jobs-demo/app.ts', '--data', 'x'], says: "unknown option '--data'" },
  ])('refuses $args', async ({ args, says }) => {
    const { code, stdout, stderr } = await here(['manifest', ...args])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
  })
})
