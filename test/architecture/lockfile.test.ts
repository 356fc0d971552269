/** Keeps `npm ci` working for everybody: a lock file that lacks one platform's binary is refused on all of them. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { z } from 'zod'

const root = resolve(import.meta.dirname, '../..')
const lock = z
  .object({
    packages: z.record(z.string(), z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() })),
  })
  .parse(JSON.parse(await readFile(resolve(root, 'package-lock.json'), 'utf8')))

it('locks the optional packages of every platform', () => {
  const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !places(path, name).some((place) => place in lock.packages)),
  )
  expect(missing).toEqual([])
})

it('names no registry: packages come from wherever npm is told to look', async () => {
  expect(await readFile(resolve(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"')
})

/** Where Node looks for a package, from the folder of another. */
function places(path: string, name: string): string[] {
  const parts = path.split('/node_modules/')
  return parts
    .map((_, index) => `${parts.slice(0, parts.length - index).join('/node_modules/')}/node_modules/${name}`)
    .concat(`node_modules/${name}`)
}
