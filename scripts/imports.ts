/**
 * Holds the import rule of CONTRIBUTING.md: `node scripts/imports.ts [root]` lists what breaks it and exits 1.
 * Own code because dependency-cruiser reads no TypeScript without the compiler API that TypeScript 7 no longer has
 * (docs/decisions/0015-import-rule.md).
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { parseSync } from 'oxc-parser'

/** Folders of src, lowest first: a folder imports from lower rows only. */
const LAYERS: readonly (readonly string[])[] = [
  ['events'],
  ['actors', 'projections'],
  ['execution'],
  ['app'],
  ['http'],
  ['cli', 'testing'],
]
/** The same as CONTRIBUTING.md has it. */
const RULE = LAYERS.map((row) => row.join(', ')).join(' <- ')

/** Where alone a package may be imported: a path, or what a path starts with. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  xstate: ['src/actors/'],
  fastify: ['src/http/'],
  ws: ['src/http/'],
  'node:sqlite': ['src/events/stores/sqlite/', 'src/actors/snapshots/', 'src/projections/'],
  '@eventstore/db-client': ['src/events/stores/eventstoredb/'],
  '@grpc/grpc-js': ['src/events/stores/eventstoredb/'],
  commander: ['src/cli/'],
  'cron-parser': ['src/execution/'],
  lit: ['web-components/'],
}

/** All that the web components know of the server: the types of the wire. */
const WIRE = 'src/http/wire.ts'

/** What an executable loads before it loads anything that takes time: a file, not the folder that it is part of. */
const FIRST: Readonly<Record<string, string>> = {
  'src/cli/bin.ts': 'src/events/threads.ts',
  'src/cli/watched.ts': 'src/events/package.ts',
}

/** One import that breaks the rule. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly specifier: string
  readonly reason: string
}

interface Import {
  readonly file: string
  readonly line: number
  readonly specifier: string
  /** Relative to the root, for a file of the project. */
  readonly target?: string
  readonly typeOnly: boolean
}

/** Every import of src/ and web-components/ below `root` that breaks the rule, in the order of the files. */
export function violations(root: string): Violation[] {
  const imports = globSync(['src/**/*.ts', 'web-components/**/*.ts'], { cwd: root })
    .sort()
    .flatMap((file) => importsOf(root, file))
  const broken = imports.flatMap((one) => {
    const reason = one.target === undefined ? homeless(one) : misplaced(one, one.target)
    return reason ? [{ file: one.file, line: one.line, specifier: one.specifier, reason }] : []
  })
  return [...broken, ...cycles(imports)]
}

function importsOf(root: string, file: string): Import[] {
  const source = readFileSync(join(root, file), 'utf8')
  const { module, errors } = parseSync(file, source)
  if (errors[0]) throw new Error(`${file}: ${errors[0].message}`)
  const found: { specifier: string; start: number; typeOnly: boolean }[] = []
  for (const { moduleRequest, entries, start } of module.staticImports) {
    const typeOnly = entries.length > 0 && entries.every((entry) => entry.isType)
    found.push({ specifier: moduleRequest.value, start, typeOnly })
  }
  for (const { entries, start } of module.staticExports) {
    const from = entries.find((entry) => entry.moduleRequest)?.moduleRequest
    if (from) found.push({ specifier: from.value, start, typeOnly: entries.every((entry) => entry.isType) })
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const literal = /^(['"])(.*)\1$/.exec(source.slice(moduleRequest.start, moduleRequest.end))?.[2]
    if (literal) found.push({ specifier: literal, start: moduleRequest.start, typeOnly: false })
  }
  return found.map(({ specifier, start, typeOnly }) => {
    const line = source.slice(0, start).split('\n').length
    if (!specifier.startsWith('.')) return { file, line, specifier, typeOnly }
    const path = resolve(root, dirname(file), specifier.replace(/\?.*$/, ''))
    return { file, line, specifier, typeOnly, target: relative(root, path).replaceAll('\\', '/') }
  })
}

/** Why a package may not be imported here. */
function homeless({ file, specifier }: Import): string | undefined {
  if (isBuiltin(specifier) && !specifier.startsWith('node:')) return `write node:${specifier}`
  const name = specifier.startsWith('@') ? specifier.split('/', 2).join('/') : (specifier.split('/')[0] ?? specifier)
  const homes = HOMES[name]
  if (homes && !homes.some((home) => file.startsWith(home))) return `${name} is imported in ${homes.join(' and ')} only`
  return undefined
}

/** Why a file of the project may not be imported here. */
function misplaced({ file, typeOnly }: Import, target: string): string | undefined {
  const [here, there] = [area(file), area(target)]
  if (here.tree === 'web-components' && there.tree === 'src') {
    return target === WIRE && typeOnly ? undefined : `web components take only \`import type\` from ${WIRE}`
  }
  if (here.tree !== there.tree) return `${here.tree} imports nothing from ${there.tree}`
  if (here.folder === there.folder) return undefined
  if (there.folder === '')
    return here.tree === 'src' ? 'a folder does not import the package that it is part of' : undefined
  if (target !== `${there.tree}/${there.folder}/index.ts` && target.endsWith('.ts') && target !== FIRST[file]) {
    return `${there.tree}/${there.folder} is imported through its index.ts only`
  }
  if (here.tree === 'src' && here.folder !== '' && layer(there.folder) >= layer(here.folder)) {
    return `${here.folder} does not import ${there.folder}: ${RULE}`
  }
  return undefined
}

function area(path: string): { tree: string; folder: string } {
  const [tree = '', folder = '', ...rest] = path.split('/')
  return { tree, folder: rest.length > 0 ? folder : '' }
}

function layer(folder: string): number {
  const index = LAYERS.findIndex((row) => row.includes(folder))
  if (index === -1) throw new Error(`src/${folder} has no place among LAYERS in scripts/imports.ts: give it one.`)
  return index
}

/** Files that need each other to be evaluated, each circle once. Imports of types alone vanish before they run. */
function cycles(imports: readonly Import[]): Violation[] {
  const edges = Map.groupBy(
    imports.filter((one) => one.target !== undefined && !one.typeOnly),
    (one) => one.file,
  )
  const done = new Set<string>()
  const found: Violation[] = []
  const visit = (file: string, path: readonly string[]) => {
    if (done.has(file)) return
    for (const one of edges.get(file) ?? []) {
      const target = one.target ?? ''
      const start = [...path, file].indexOf(target)
      if (start === -1) visit(target, [...path, file])
      else {
        const circle = [...path, file].slice(start).concat(target).join(' -> ')
        found.push({ file, line: one.line, specifier: one.specifier, reason: `a circle: ${circle}` })
      }
    }
    done.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  return found
}

if (import.meta.main) {
  const root = resolve(process.argv[2] ?? '.')
  if (!existsSync(join(root, 'src'))) throw new Error(`${root} has no src/: give the root of the project.`)
  const broken = violations(root)
  for (const { file, line, specifier, reason } of broken) console.error(`${file}:${line}  '${specifier}': ${reason}`)
  console.log(broken.length === 0 ? 'The import rule holds.' : `The import rule is broken ${broken.length} times.`)
  process.exitCode = broken.length === 0 ? 0 : 1
}
