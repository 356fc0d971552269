/** Proves that knip, as this project sets it up, sees through doors: what an index.ts offers and nobody takes is found. */
import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

const root = resolve(import.meta.dirname, '../..')

const found = z.array(z.object({ name: z.string() }))
const report = z.object({ issues: z.array(z.object({ file: z.string(), exports: found, types: found })) })

it('finds what a door offers and nobody takes, but for what the package publishes', async () => {
  const { status, offers } = untaken(
    await projectOf({
      'package.json': JSON.stringify({ name: 'doors', type: 'module', exports: { '.': './src/index.ts' } }),
      'src/index.ts': `export { published } from './app/index.ts'`,
      'src/app/index.ts': `export { offered, published } from './parts.ts'\nexport type { Offered } from './parts.ts'`,
      'src/app/parts.ts': [
        `import { taken } from '../events/index.ts'`,
        `export interface Offered { readonly name: string }`,
        `export const offered: Offered = { name: taken }`,
        `export const published = offered.name`,
      ].join('\n'),
      'src/events/index.ts': `export { left, taken } from './log.ts'`,
      'src/events/log.ts': `export const left = 'left'\nexport const taken = left`,
    }),
  )
  expect(offers).toEqual(['src/app/index.ts Offered', 'src/app/index.ts offered', 'src/events/index.ts left'])
  expect(status).toBe(1)
})

/** A project under this one's knip.json. */
async function projectOf(files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-doors-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await copyFile(join(root, 'knip.json'), join(directory, 'knip.json'))
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, file)), { recursive: true })
    await writeFile(join(directory, file), text)
  }
  return directory
}

function untaken(directory: string) {
  const knip = join(root, 'node_modules/knip/bin/knip.js')
  const args = ['--include', 'exports,types', '--reporter', 'json', '--no-progress']
  const { status, stdout } = spawnSync(process.execPath, [knip, ...args], { cwd: directory, encoding: 'utf8' })
  const { issues } = report.parse(JSON.parse(stdout))
  const offers = issues.flatMap(({ file, exports, types }) =>
    [...exports, ...types].map(({ name }) => `${file} ${name}`),
  )
  return { status, offers: offers.sort() }
}
