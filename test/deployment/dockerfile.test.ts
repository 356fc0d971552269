/** Holds the Dockerfile to the rules that hadolint has, and to what docs/deployment.md promises, without building it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Instruction {
  readonly name: string
  readonly rest: string
}

/** The instructions, with lines that go on joined and comments left out. */
function instructionsOf(text: string): Instruction[] {
  return text
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({ name: line.split(' ', 1)[0] ?? '', rest: line.slice(line.indexOf(' ') + 1) }))
}

/** What is wrong with a Dockerfile; nothing, if it is well. */
function faults(text: string): string[] {
  const all = instructionsOf(text)
  const found: string[] = []
  const args = new Map(
    all.filter(({ name }) => name === 'ARG').map(({ rest }) => [rest.split('=')[0], rest.split('=')[1]]),
  )
  const stages = new Set(all.flatMap(({ name, rest }) => (name === 'FROM' ? / AS (\w+)$/.exec(rest)?.[1] : []) ?? []))
  const last = all.slice(all.findLastIndex(({ name }) => name === 'FROM'))
  const nth = (name: string) => last.findIndex((one) => one.name === name)

  for (const { name, rest } of all) {
    if (name === 'FROM') {
      const image =
        rest.split(' ')[0]?.replaceAll(/\$\{(\w+)\}/g, (_, variable: string) => args.get(variable) ?? '') ?? ''
      if (!/:\d+\.\d+\.\d+/.test(image)) found.push(`${image} is not pinned to a version`)
    }
    if (name === 'ADD') found.push('ADD fetches and unpacks: use COPY')
    if (name === 'COPY' && /(^| )\.( |$)/.test(rest.replace(/\S+$/, ''))) found.push('COPY . takes what nobody listed')
    const stage = /--from=(\w+)/.exec(rest)?.[1]
    if (stage !== undefined && !stages.has(stage)) found.push(`there is no stage ${stage}`)
    if (name === 'RUN' && /\bsudo\b|curl|wget/.test(rest)) found.push(`RUN ${rest} fetches or gains rights`)
    if (name === 'RUN' && /apt-get install/.test(rest) && !/rm -rf \/var\/lib\/apt\/lists/.test(rest)) {
      found.push('apt-get leaves its lists')
    }
    if (name === 'RUN' && /npm (install|i)\b/.test(rest)) found.push('npm install ignores the lock file: use npm ci')
    if (name === 'WORKDIR' && !rest.startsWith('/')) found.push('WORKDIR is relative')
    if ((name === 'CMD' || name === 'ENTRYPOINT') && !isList(rest)) found.push(`${name} is not in exec form`)
    if (name === 'HEALTHCHECK' && !isList(/CMD (.+)$/.exec(rest)?.[1] ?? ''))
      found.push('HEALTHCHECK is not in exec form')
  }
  for (const name of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK', 'USER', 'LABEL', 'STOPSIGNAL']) {
    if (last.filter((one) => one.name === name).length !== 1) found.push(`the last stage needs one ${name}`)
  }
  const user = last[nth('USER')]?.rest ?? 'root'
  if (/^(root|0)\b/.test(user)) found.push('it runs as root')
  if (last.some(({ name }, index) => name === 'RUN' && index > nth('USER'))) found.push('RUN after USER')
  const places = (pattern: RegExp) => all.findIndex(({ name, rest }) => name === 'COPY' && pattern.test(rest))
  const install = all.findIndex(({ name, rest }) => name === 'RUN' && rest.includes('npm ci'))
  if (places(/package-lock\.json/) > install || places(/\bsrc\b/) < install)
    found.push('sources are copied before npm ci')
  return found
}

function isList(text: string): boolean {
  try {
    return z.array(z.string()).min(1).safeParse(JSON.parse(text)).success
  } catch {
    return false
  }
}

const dockerfile = read('Dockerfile')

describe('the Dockerfile', () => {
  it('breaks no rule', () => {
    expect(faults(dockerfile)).toEqual([])
  })

  it.each([
    [/^USER node$/m, 'USER root', 'it runs as root'],
    [/^USER node\n/m, '', 'the last stage needs one USER'],
    [/ARG NODE_VERSION=.*/, 'ARG NODE_VERSION=latest', 'not pinned'],
    [/^CMD .*/m, 'CMD capsule serve app.ts', 'CMD is not in exec form'],
    [/^HEALTHCHECK[\s\S]*?\n {2}CMD.*\n/m, '', 'the last stage needs one HEALTHCHECK'],
    [/^COPY src src$/m, 'ADD https://example.org/src.tar src', 'use COPY'],
    [/^COPY src src$/m, 'COPY . src', 'what nobody listed'],
    [/^COPY package\.json package-lock\.json/m, 'COPY src package-lock.json', 'before npm ci'],
    [/^RUN npm run build$/m, 'RUN apt-get update && apt-get install -y git', 'leaves its lists'],
    [/^RUN npm run build$/m, 'RUN npm install', 'use npm ci'],
    [/--from=build/, '--from=builder', 'no stage builder'],
  ])('with %s as "%s" would', (pattern, text, fault) => {
    const changed = dockerfile.replace(pattern, text)
    expect(changed).not.toBe(dockerfile)
    expect(faults(changed).join('\n')).toContain(fault)
  })

  it('runs on the Node of the lock file', () => {
    const lock = z
      .object({ packages: z.object({ 'node_modules/node': z.object({ version: z.string() }) }) })
      .parse(JSON.parse(read('package-lock.json')))
    expect(/ARG NODE_VERSION=(\S+)/.exec(dockerfile)?.[1]).toBe(lock.packages['node_modules/node'].version)
  })

  it('copies what there is, and the build sees all of it and no more', () => {
    const sources = instructionsOf(dockerfile)
      .filter(({ name, rest }) => name === 'COPY' && !rest.includes('--from'))
      .flatMap(({ rest }) => rest.split(' ').slice(0, -1))
    for (const source of sources) expect(existsSync(join(root, source)), source).toBe(true)
    const [everything, ...let_in] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(everything).toBe('*')
    expect([...new Set(let_in.map((line) => line.replace('!', '')))].sort()).toEqual([...new Set(sources)].sort())
  })

  it('starts the command of the package, and asks for the health where it listens', () => {
    const { bin } = z.object({ bin: z.object({ capsule: z.string() }) }).parse(JSON.parse(read('package.json')))
    expect(dockerfile).toContain(`ENTRYPOINT ["node", "/app/${bin.capsule}"]`)
    expect(dockerfile).toMatch(/ENV .*HOST=0\.0\.0\.0 PORT=3000 CAPSULE_DATA=\/data/)
    expect(dockerfile).toMatch(/HEALTHCHECK[\s\S]+127\.0\.0\.1:\$\{process\.env\.PORT\}\/health/)
  })
})
