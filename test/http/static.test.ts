import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeKey, readKeys } from '../../src/http/index.ts'
import { serving } from './serving.ts'

async function built() {
  const root = await mkdtemp(join(tmpdir(), 'capsule-web-'))
  onTestFinished(() => rm(root, { recursive: true }))
  const web = join(root, 'web')
  await mkdir(join(web, 'chunks'), { recursive: true })
  await writeFile(join(web, 'components.js'), 'export {}')
  await writeFile(join(web, 'tokens.css'), ':root {}')
  await writeFile(join(web, 'chunks', 'markdown-Ab12_-xY.js'), 'export {}')
  await writeFile(join(web, '.secret.js'), 'no')
  await writeFile(join(root, 'outside.js'), 'no')
  return serving({ web })
}

describe('pages', () => {
  it.each(['/docs', '/docs.css', '/docs.js'])('%s is served before anything is built', async (path) => {
    const { get } = await serving({ web: '/nowhere' })
    expect((await get(path)).status).toBe(200)
  })

  it.each(['/', '/chat/abc', '/pages/tasks', '/schedules'])('%s says how to build what it needs', async (path) => {
    const { get } = await serving({ web: '/nowhere' })
    const answer = await get(path)
    expect(answer.status).toBe(503)
    expect(answer.body).toContain('npm run build:web')
  })

  it('say in the API, too, that they are not built', async () => {
    const { refusal } = await serving({ web: '/nowhere' })
    expect(await refusal('GET', '/components.js')).toMatchObject({
      status: 503,
      type: 'urn:capsule:error:web-not-built',
    })
  })

  it.each(['/', '/docs', '/sign-in', '/index.html', '/docs.html', '/sign-in.html'])(
    'run nothing but their own scripts and styles, in a frame of no other site: %s',
    async (path) => {
      const { get } = await built()
      const policy = String((await get(path)).headers['content-security-policy'])
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("script-src 'self';")
      expect(policy).toContain("style-src 'self';")
      expect(policy).toContain("frame-ancestors 'self'")
      expect(policy).not.toContain('unsafe')
    },
  )
})

describe('an address that there is not', () => {
  const browser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

  it.each(['/tasks', '/nope?x=1', '/nope.html', '/a/b/'])(
    'is told to a person by the page of the app: %s',
    async (path) => {
      const { get } = await built()
      const answer = await get(path, browser)
      expect(answer).toMatchObject({
        status: 404,
        headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
      })
      expect(answer.body).toContain('<capsule-app>')
      expect(answer.headers['content-security-policy']).toContain("default-src 'none'")
      expect(answer.headers).not.toHaveProperty('etag')
    },
  )

  it('is told to everybody else as JSON', async () => {
    const { refusal } = await built()
    const problem = { status: 404, type: 'urn:capsule:error:route-not-found' }
    expect(await refusal('GET', '/tasks')).toMatchObject(problem)
    expect(await refusal('GET', '/tasks', { headers: { accept: '*/*' } })).toMatchObject(problem)
    expect(await refusal('POST', '/tasks', { headers: browser })).toMatchObject(problem)
  })

  it('of the API is told as JSON to a browser, too', async () => {
    const { refusal } = await built()
    expect(await refusal('GET', '/api/v1/nope', { headers: browser })).toMatchObject({ status: 404 })
    expect(await refusal('GET', '/api/v1/tasks/greet/$submit', { headers: browser })).toMatchObject({ status: 405 })
  })

  it('is told to nobody who would have to sign in first', async () => {
    const { get } = await serving({ auth: { keys: readKeys(makeKey('ann', 'read').line) } })
    expect(await get('/tasks', browser)).toMatchObject({ status: 303, headers: { location: '/sign-in?next=%2Ftasks' } })
  })
})

describe('built files', () => {
  it.each([
    ['/components.js', 'text/javascript; charset=utf-8', 'no-cache'],
    ['/tokens.css', 'text/css; charset=utf-8', 'no-cache'],
    ['/chunks/markdown-Ab12_-xY.js', 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
  ])('%s is served', async (path, type, caching) => {
    const { get } = await built()
    expect(await get(path)).toMatchObject({ status: 200, headers: { 'content-type': type, 'cache-control': caching } })
  })

  it('are not sent again to those who have them', async () => {
    const { get } = await built()
    const { etag } = (await get('/components.js')).headers
    expect(await get('/components.js', { 'if-none-match': String(etag) })).toMatchObject({ status: 304, body: '' })
  })

  it.each([
    '/../outside.js',
    '/%2e%2e/outside.js',
    '/chunks/..%2f..%2foutside.js',
    '/.secret.js',
    '//outside.js',
    '/chunks',
    '/nope.js',
  ])('do not include %s', async (path) => {
    const { get } = await built()
    expect((await get(path)).status).toBeGreaterThanOrEqual(400)
  })
})
