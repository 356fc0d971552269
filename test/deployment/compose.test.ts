/** Holds docker-compose.yml to the Compose schema and to what docs/deployment.md promises, without an engine to run it. */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DCLinter } from 'dclint'
import { describe, expect, it, onTestFinished } from 'vitest'
import { isCollection, parse, parseDocument, visit } from 'yaml'
import { z } from 'zod'
import { readEnvironment } from '../../src/cli/config.ts'

const root = join(import.meta.dirname, '../..')
const file = join(root, 'docker-compose.yml')

/** Taste is this repository's own. */
const TASTE = [
  'no-quotes-in-volumes',
  // The default binds loopback; the rule does not read defaults of variables.
  'no-unbound-port-interfaces',
  'no-build-and-image',
  'service-dependencies-alphabetical-order',
  'service-keys-order',
  'services-alphabetical-order',
  'top-level-properties-order',
]

const condition = z.enum(['service_healthy', 'service_completed_successfully', 'service_started'])
const service = z.object({
  image: z.string(),
  build: z.string().optional(),
  profiles: z.array(z.string()).default([]),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition })).default({}),
  healthcheck: z.object({ disable: z.boolean().optional(), test: z.array(z.string()).optional() }).optional(),
  read_only: z.boolean().default(false),
  tmpfs: z.array(z.string()).default([]),
  init: z.boolean().default(false),
  cap_drop: z.array(z.string()),
  security_opt: z.array(z.string()),
  mem_limit: z.string(),
  restart: z.string().optional(),
})
const { services, volumes } = z
  .object({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.unknown()) })
  .parse(parse(readFileSync(file, 'utf8'), { merge: true }))
const entries = Object.entries(services)
const ours = entries.filter(([, { build }]) => build !== undefined)
const stores = entries.filter(([, { image }]) => image.startsWith('eventstore/eventstore:'))

const findings = z.array(z.object({ messages: z.array(z.object({ line: z.number(), message: z.string() })) }))

/**
 * Text without quotes inside { } or [ ] that has a character which ends it there for Compose's parser (go-yaml), though
 * YAML 1.2 allows it: `{ URL: esdb://host?tls=false }` is no file that Compose can read.
 */
function endsEarly(text: string): string[] {
  const found: string[] = []
  visit(parseDocument(text), {
    Scalar(_key, node, path) {
      const inFlow = path.some((parent) => isCollection(parent) && parent.flow === true)
      if (inFlow && node.type === 'PLAIN' && /[?,[\]{}]/.test(node.source ?? '')) found.push(node.source ?? '')
    },
  })
  return found
}

/** What the linter finds, with the line. */
function lint(path: string): string[] {
  const rules = Object.fromEntries(TASTE.map((rule) => [rule, 0] as const))
  const linter = new DCLinter({ rules, quiet: true, debug: false, exclude: [] })
  return findings
    .parse(linter.lintFiles([path], false))
    .flatMap(({ messages }) => messages.map(({ line, message }) => `${line}: ${message}`))
}

describe('docker-compose.yml', () => {
  it('fits the Compose schema', () => {
    expect(lint(file)).toEqual([])
  })

  it('is YAML for the parser of Compose too', () => {
    const text = readFileSync(file, 'utf8')
    expect(endsEarly(text)).toEqual([])
    const url = 'esdb://eventstore:2113?tls=false'
    expect(endsEarly(text.replace(`{ EVENTSTORE_URL: '${url}' }`, `{ EVENTSTORE_URL: ${url} }`))).toEqual([url])
  })

  it.each([
    [/read_only: true/, 'readonly: true'],
    [/condition: service_healthy/, 'condition: healthy'],
    [/ports: \[/, 'ports: [false, '],
  ])('with %s as "%s" would not', async (pattern, text) => {
    const directory = await mkdtemp(join(tmpdir(), 'capsule-compose-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const changed = readFileSync(file, 'utf8').replace(pattern, text)
    await writeFile(join(directory, 'docker-compose.yml'), changed)
    expect(lint(join(directory, 'docker-compose.yml'))).not.toEqual([])
  })

  it.each(entries)('%s has a pinned image, limits, and no rights to gain', (_name, { image, build, ...rest }) => {
    if (build === undefined) expect(image).toMatch(/:\d+\.\d+\.\d+/)
    expect(rest).toMatchObject({ cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
    expect(rest.mem_limit).toMatch(/^\d+[mg]$/)
  })

  it.each(ours)('%s writes to volumes and /tmp only, and leaves no zombies', (_name, options) => {
    expect(options).toMatchObject({ read_only: true, tmpfs: ['/tmp'], init: true })
  })

  it('has the long-term version of EventStoreDB, one that is asked whether it is well, and three for the cluster', () => {
    expect(stores.map(([name]) => name)).toEqual(['eventstore', 'es1', 'es2', 'es3'])
    for (const [, { image, healthcheck, ports, volumes: mounted }] of stores) {
      expect(image).toMatch(/^eventstore\/eventstore:23\.10\./)
      expect(healthcheck?.test?.join(' ')).toContain('/health/live')
      expect(mounted.some((volume) => volume.endsWith(':/var/lib/eventstore'))).toBe(true)
      // Only the services of the file reach it.
      expect(ports).toEqual([])
    }
  })

  it('runs the cluster with certificates, each node with its own, and asks who comes', () => {
    for (const [name, { environment, profiles }] of stores.slice(1)) {
      expect(profiles).toEqual(['cluster'])
      expect(environment).not.toHaveProperty('EVENTSTORE_INSECURE')
      expect(environment).toMatchObject({
        EVENTSTORE_CLUSTER_SIZE: '3',
        EVENTSTORE_CERTIFICATE_FILE: `/certs/${name}/node.crt`,
        EVENTSTORE_CERTIFICATE_PRIVATE_KEY_FILE: `/certs/${name}/node.key`,
        EVENTSTORE_NODE_HOST_ADVERTISE_AS: name,
        EVENTSTORE_DEFAULT_ADMIN_PASSWORD: expect.stringMatching(/\S/),
      })
    }
    expect(services['app-cluster']?.environment.EVENTSTORE_URL).toMatch(
      /^esdb:\/\/admin:.*es1:2113,es2:2113,es3:2113\?tls=true/,
    )
  })

  it('starts what is needed in the default profile, and the cluster beside it only when asked', () => {
    const byDefault = entries.filter(([, { profiles }]) => profiles.length === 0).map(([name]) => name)
    expect(byDefault).toEqual(['keys', 'app', 'worker', 'eventstore'])
    for (const [name, { depends_on, profiles }] of entries) {
      for (const [needed, { condition: until }] of Object.entries(depends_on)) {
        const there = services[needed]
        expect(there, `${name} needs ${needed}`).toBeDefined()
        // A profile that is on brings all that its services need.
        expect(there?.profiles.every((profile) => profiles.includes(profile))).toBe(true)
        if (until === 'service_healthy') expect(there?.healthcheck?.test, needed).toBeDefined()
        if (until === 'service_completed_successfully') expect(['no', undefined]).toContain(there?.restart)
      }
    }
  })

  it('makes a key before the app starts, which is the one the app lets in', () => {
    expect(services.keys?.command).toEqual([
      'key',
      '--name',
      'admin',
      '--scope',
      'admin',
      '--file',
      '/auth/keys',
      '--if-none',
    ])
    expect(services.app?.depends_on.keys?.condition).toBe('service_completed_successfully')
    expect(services.app?.environment.CAPSULE_AUTH_API_KEYS_FILE).toBe('/auth/keys')
    expect(services.keys?.volumes).toEqual(['auth:/auth'])
    expect(services.app?.volumes).toContain('auth:/auth:ro')
  })

  it('publishes the app to its own machine unless it is told otherwise', () => {
    for (const [, { ports }] of ours) {
      for (const port of ports) expect(port).toBe(`\${PUBLISH:-127.0.0.1:3000}:3000`)
    }
  })

  it('sets no variable that the command does not know', () => {
    for (const [name, { environment }] of ours) {
      // These are files, or what the variables of the shell are.
      const { CAPSULE_AUTH_API_KEYS_FILE: _, CAPSULE_AUTH_SECRET: __, CAPSULE_ORIGINS: ___, ...rest } = environment
      expect(() => readEnvironment(rest), name).not.toThrow()
      const known = readFileSync(join(root, 'src/cli/config.ts'), 'utf8')
      for (const variable of Object.keys(environment)) expect(known).toContain(`  ${variable}:`)
    }
  })

  it('declares the volumes that are used, and no others', () => {
    const used = new Set(entries.flatMap(([, options]) => options.volumes.map((volume) => volume.split(':')[0] ?? '')))
    expect([...used].sort()).toEqual(Object.keys(volumes).sort())
  })
})
