/** capsule create: a directory with an app that runs. It is made of the files in template/; nothing is installed. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { PACKAGE_ROOT } from '../events/index.ts'
import { CommandFailed, UsageError } from './errors.ts'
import { print } from './output.ts'

/** By the file that it becomes: npm and Git would heed some of these names in the template, too. */
const TEMPLATE: Readonly<Record<string, string>> = {
  '.gitignore': 'gitignore',
  'README.md': 'README.md',
  'app.test.ts': 'app.test.ts',
  'app.ts': 'app.ts',
  'tsconfig.json': 'tsconfig.json',
}
/** The name of the app in them. */
const PLACEHOLDER = 'my-app'
/** Of a package; createApp takes as many characters. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,59}$/
const NOT_FOR_PACKAGES = ['node_modules', 'favicon.ico']

const versions = z.record(z.string(), z.string())
const packageJson = z.looseObject({
  name: z.string(),
  version: z.string(),
  dependencies: versions,
  devDependencies: versions,
})
type PackageJson = z.output<typeof packageJson>

export function registerCreate(program: Command): void {
  program
    .command('create')
    .description('makes a directory with an app that runs')
    .argument('<directory>', 'the directory to make; its last part is the name of the app')
    .addHelpText('after', '\nExample:\n  capsule create my-app')
    .action(create)
}

/** @throws UsageError, CommandFailed, and writes nothing, for a name or a directory that is of no use */
async function create(directory: string): Promise<void> {
  const target = resolve(directory)
  const name = directory === '' ? '' : basename(target)
  const manifest = await packageJsonFor(name)
  assertName(name, Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }))
  await assertEmpty(target, directory)
  const files = { 'package.json': `${JSON.stringify(manifest, null, 2)}\n`, ...(await filesFor(name)) }
  try {
    await mkdir(target, { recursive: true })
    for (const [file, text] of Object.entries(files)) await writeFile(join(target, file), text, { flag: 'wx' })
  } catch (cause) {
    const why = `${directory} cannot be written (${reason(cause)})`
    throw new CommandFailed(`${why}. Remove what is there of it, and make room or name another directory.`, { cause })
  }
  const enter = target === resolve() ? '' : `cd ${quoted(directory)} && `
  await print(`${name} is made. Next:\n  ${enter}npm install\n  npm start\n`)
}

function assertName(name: string, taken: readonly string[]): void {
  if (!NAME.test(name)) {
    throw new UsageError(
      `"${name}" is no name for an app, which is an npm package: use lower-case letters, digits, -, _ and ., a letter or ` +
        `digit first, at most 60 characters, as in ${PLACEHOLDER}.`,
    )
  }
  if (NOT_FOR_PACKAGES.includes(name) || isBuiltin(name) || taken.includes(name)) {
    throw new UsageError(`npm, Node or the app itself knows something else as ${name}. Choose another name.`)
  }
}

async function assertEmpty(target: string, directory: string): Promise<void> {
  let found: readonly string[]
  try {
    found = await readdir(target)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return
    throw new CommandFailed(`${directory} cannot be a directory (${reason(cause)}). Name another one.`, { cause })
  }
  if (found.length === 0) return
  throw new CommandFailed(`${directory} is not empty. Name a directory that is not there yet, or an empty one.`)
}

/** The template's, with the versions that this package is built and tested with. */
async function packageJsonFor(name: string): Promise<PackageJson> {
  const own = await readPackageJson('package.json')
  const template = await readPackageJson('template/package.template.json')
  const known: Readonly<Record<string, string>> = {
    ...own.devDependencies,
    ...own.dependencies,
    [own.name]: `^${own.version}`,
  }
  const withVersions = (wanted: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(wanted).map(([dependency, range]) => [dependency, known[dependency] ?? range]))
  return {
    ...template,
    name,
    dependencies: withVersions(template.dependencies),
    devDependencies: withVersions(template.devDependencies),
  }
}

async function readPackageJson(file: string): Promise<PackageJson> {
  return packageJson.parse(JSON.parse(await readFile(join(PACKAGE_ROOT, file), 'utf8')))
}

async function filesFor(name: string): Promise<Readonly<Record<string, string>>> {
  const files = Object.entries(TEMPLATE).map(async ([file, from]) => {
    const text = await readFile(join(PACKAGE_ROOT, 'template', from), 'utf8')
    // A package may have dots in its name, an app may not.
    return [file, text.replaceAll(PLACEHOLDER, file === 'app.ts' ? name.replaceAll('.', '-') : name)]
  })
  return Object.fromEntries(await Promise.all(files))
}

/** For a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
