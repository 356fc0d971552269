/** capsule create: an app that is made has what it needs and runs; what cannot be made is refused, and nothing is written. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { here } from '../cli/here.ts'
import { ROOT, serve, temporaryDirectory } from '../crash/server.ts'

vi.setConfig({ testTimeout: 60_000, maxConcurrency: 2 })

const FILES = ['.gitignore', 'README.md', 'app.test.ts', 'app.ts', 'package.json', 'tsconfig.json']

/** Where what is made finds the package and zod, as after `npm install`. */
async function installed(): Promise<string> {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'node_modules'))
  await symlink(ROOT, join(directory, 'node_modules/capsule-actors'))
  await symlink(join(ROOT, 'node_modules/zod'), join(directory, 'node_modules/zod'))
  return directory
}

describe.concurrent('capsule create', () => {
  it('makes a directory with an app, and says what is next', async () => {
    const directory = join(await temporaryDirectory(), 'apps/jobs')
    expect(await here(['create', directory])).toEqual({
      code: 0,
      stdout: `jobs is made. Next:\n  cd ${directory} && npm install\n  npm start\n`,
      stderr: '',
    })
    expect((await readdir(directory)).sort()).toEqual(FILES)
    const own = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    expect(JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))).toMatchObject({
      name: 'jobs',
      private: true,
      type: 'module',
      scripts: { start: 'capsule serve app.ts', dev: 'capsule serve app.ts --watch', test: 'node --test' },
      dependencies: { 'capsule-actors': `^${own.version}`, zod: own.dependencies.zod },
      devDependencies: {
        '@types/node': own.devDependencies['@types/node'],
        typescript: own.devDependencies.typescript,
      },
    })
    for (const file of FILES) expect(await readFile(join(directory, file), 'utf8')).not.toMatch(/my-app|"\*"/)
  })

  it('makes one that is served, and whose test passes', async () => {
    const directory = join(await installed(), 'jobs.2')
    await here(['create', directory])
    const server = await serve({ app: join(directory, 'app.ts'), data: 'memory' })
    expect(await server.ask('GET', '/health')).toMatchObject({ status: 200, body: { status: 'healthy' } })
    expect(await server.ask('GET', '/api/v1/info')).toMatchObject({ body: { name: 'jobs-2', version: '0.1.0' } })
    await server.kill()
    const { stdout } = await promisify(execFile)(process.execPath, ['--test'], { cwd: directory })
    expect(stdout).toMatch(/^# pass 3$|^ℹ pass 3$/m)
  })

  it('fills an empty directory', async () => {
    const directory = join(await temporaryDirectory(), "ann's/jobs")
    await mkdir(directory, { recursive: true })
    const { code, stdout } = await here(['create', directory])
    expect(code).toBe(0)
    expect(stdout).toContain(`cd '${directory.replace("'", `'\\''`)}' && npm install`)
    expect((await readdir(directory)).sort()).toEqual(FILES)
  })

  it.for(['My-App', '.hidden', 'my app', '-jobs', 'x'.repeat(61), 'node_modules', 'http', 'zod', 'capsule-actors'])(
    'refuses the name %s',
    async (name) => {
      const directory = await temporaryDirectory()
      const { code, stdout, stderr } = await here(['create', join(directory, name)])
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(/^capsule: [^\n]*(use lower-case letters|Choose another name)[^\n]*\n$/)
      expect(stderr).toContain(name)
      expect(await readdir(directory)).toEqual([])
    },
  )

  it('refuses no name, as a variable is that is not set', async () => {
    const { code, stderr } = await here(['create', ''])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^capsule: "" is no name for an app/)
  })

  it('refuses a directory that is not empty, and leaves it as it was', async () => {
    const directory = join(await temporaryDirectory(), 'jobs')
    await mkdir(directory)
    await writeFile(join(directory, 'mine'), '')
    expect(await here(['create', directory])).toEqual({
      code: 1,
      stdout: '',
      stderr: `capsule: ${directory} is not empty. Name a directory that is not there yet, or an empty one.\n`,
    })
    expect(await readdir(directory)).toEqual(['mine'])
  })

  it.for(['jobs', 'jobs/within'])('refuses %s where jobs is a file', async (path) => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'jobs'), 'mine')
    const { code, stdout, stderr } = await here(['create', join(directory, path)])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^capsule: [^\n]+ cannot be a directory [^\n]+Name another one\.\n$/)
    expect(await readFile(join(directory, 'jobs'), 'utf8')).toBe('mine')
  })
})

it('the template has the files that are made, and no others', async () => {
  const renamed: Readonly<Record<string, string>> = { gitignore: '.gitignore', 'package.template.json': 'package.json' }
  const files = await readdir(join(ROOT, 'template'))
  expect(files.map((file) => renamed[file] ?? file).sort()).toEqual(FILES)
})
