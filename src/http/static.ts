/**
 * The app's own pages: the shell for every address a person can be at, and the built web components. Served under a
 * strict content security policy; nothing else on disk can be reached. Whoever has to sign in is led to the page for it;
 * the files that these pages are made of are the same for everybody, and open.
 */
import { readFile, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CODE_ROOT, PACKAGE_ROOT } from '../events/index.ts'
import { HttpRefusal } from './problems.ts'

/** Where `npm run build:web` leaves the web components. */
export const BUILT_WEB = join(PACKAGE_ROOT, 'dist/web-components')
const PAGES = join(CODE_ROOT, 'http/static')

/** Addresses of the shell, which looks at the path itself. */
const SHELL_PATHS = ['/', '/chat', '/chat/*', '/pages', '/pages/*', '/schedules', '/schedules/*']

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob: https:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ')

const PAGE_HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
}

/** Path segments that start with a letter, a digit or `_`: no dot files, and no way up. */
const SAFE_PATH = /^(?:\/\w[\w.-]*)+$/
const HASHED_NAME = /-[\w-]{8}\.\w+$/

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Not built yet</title>
<h1>The web components are not built yet</h1>
<p>Run <code>npm run build:web</code>, then reload this page. The API is served already: see <a href="/docs">/docs</a>.</p>
</html>
`

type Show = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> | FastifyReply

/** @returns what shows a person that there is no such page, with a 404 */
export function serveStatic(
  fastify: FastifyInstance,
  web: string,
  isSignedIn: (request: FastifyRequest) => boolean,
): Show {
  const signedIn = (show: Show): Show => {
    return (request, reply) => {
      if (isSignedIn(request)) return show(request, reply)
      return reply.header('cache-control', 'no-store').redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303)
    }
  }
  for (const url of SHELL_PATHS) {
    fastify.get(
      url,
      signedIn((request, reply) => shell(request, reply, web)),
    )
  }
  fastify.get(
    '/docs',
    signedIn((request, reply) => page(request, reply, join(PAGES, 'docs.html'))),
  )
  fastify.get('/sign-in', (request, reply) => page(request, reply, join(PAGES, 'sign-in.html')))
  fastify.get('/*', async (request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const types = MEDIA_TYPES[extname(path)]
    if (types !== undefined && SAFE_PATH.test(path)) {
      for (const root of [web, PAGES]) {
        if (await file(request, reply, join(root, path))) return reply
      }
      if (path === '/components.js' || path === '/tokens.css') {
        throw new HttpRefusal('web-not-built', `${path} is not built yet. Run npm run build:web, then reload.`)
      }
    }
    reply.callNotFound()
    return reply
  })
  return signedIn(async (_request, reply) => {
    if (!(await modified(join(web, 'components.js')))) return notBuilt(reply)
    return send(reply.code(404), await readFile(join(PAGES, 'index.html')))
  })
}

/** Whether it is a person in a browser who asks, and not for the API: what they mistype is answered with a page. */
export function wantsPage({ method, url, headers }: FastifyRequest): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  return !/^\/api(?:[/?]|$)/.test(url) && /\btext\/html\b/.test(headers.accept ?? '')
}

async function shell(request: FastifyRequest, reply: FastifyReply, web: string): Promise<FastifyReply> {
  if (await modified(join(web, 'components.js'))) return page(request, reply, join(PAGES, 'index.html'))
  return notBuilt(reply)
}

function notBuilt(reply: FastifyReply): FastifyReply {
  return send(reply.code(503), NOT_BUILT)
}

/** A page that stands for what is not there: nobody is to keep it. */
function send(reply: FastifyReply, page: string | Buffer): FastifyReply {
  return reply.headers(PAGE_HEADERS).header('cache-control', 'no-store').type('text/html; charset=utf-8').send(page)
}

async function page(request: FastifyRequest, reply: FastifyReply, path: string): Promise<FastifyReply> {
  if (await file(request, reply, path)) return reply
  reply.callNotFound()
  return reply
}

/** Sends the file unless the client has it; false when there is none. */
async function file(request: FastifyRequest, reply: FastifyReply, path: string): Promise<boolean> {
  const version = await modified(path)
  if (version === undefined) return false
  // By whatever address: a page that another site may frame is one that it can have clicked on.
  if (extname(path) === '.html') reply.headers(PAGE_HEADERS)
  reply.header('etag', version)
  reply.header('cache-control', HASHED_NAME.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache')
  if (request.headers['if-none-match'] === version) {
    reply.code(304).send()
    return true
  }
  reply.type(MEDIA_TYPES[extname(path)] ?? 'application/octet-stream').send(await readFile(path))
  return true
}

/** A validator of the file as it is now; undefined when there is no such file. */
async function modified(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? `"${found.size.toString(36)}-${Math.trunc(found.mtimeMs).toString(36)}"` : undefined
  } catch {
    return undefined
  }
}
