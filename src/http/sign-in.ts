/** /api/v1/user: who one is, and signing in with a key for as long as a browser's cookie lasts. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type Auth, SESSION_COOKIE, SESSION_SECONDS } from './auth.ts'
import { HttpRefusal } from './problems.ts'
import { type Route, route, type Surroundings } from './route.ts'
import { SCOPES } from './users.ts'

const resource = 'User'

const user = z
  .object({
    id: z.string().meta({ description: 'Owner of what they submit' }),
    name: z.string(),
    scope: z.enum(SCOPES).meta({ description: 'admin on a server that is open to this machine' }),
  })
  .meta({ id: 'User' })

export const signInRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/user',
    resource,
    summary: 'Who you are',
    answers: { 200: { description: 'You', schema: user } },
    handle: ({ user: { id, name, scope } }) => ({ id, name, scope }),
  }),

  route({
    method: 'POST',
    path: '/api/v1/user/$sign-in',
    resource,
    summary: 'Signs a browser in with a key',
    description: 'The answer sets a cookie for twelve hours that no script can read.',
    needs: 'anybody',
    body: z.strictObject({ key: z.string().min(1).max(500) }),
    answers: { 200: { description: 'You are signed in', schema: user } },
    errors: ['key-refused', 'too-many-attempts', 'route-not-found'],
    handle({ access, body, request, reply }) {
      const { user, cookie } = authOf(access).signIn(body.key.trim(), request.ip)
      setCookie(request, reply, cookie, SESSION_SECONDS)
      const { id, name, scope } = user
      return { id, name, scope }
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/user/$sign-out',
    resource,
    summary: 'Signs a browser out',
    needs: 'anybody',
    answers: { 204: { description: 'The cookie is gone' } },
    errors: ['route-not-found'],
    handle({ access, request, reply }) {
      authOf(access)
      setCookie(request, reply, '', 0)
      reply.code(204)
      return undefined
    },
  }),
]

function authOf(access: Surroundings['access']): Auth {
  if (access.auth) return access.auth
  throw new HttpRefusal('route-not-found', 'This server is open to this machine: there is no need to sign in.')
}

/** Secure where the page came by HTTPS: its origin says so, whatever stands between it and this server. */
function setCookie(request: FastifyRequest, reply: FastifyReply, value: string, seconds: number): void {
  const secure = request.headers.origin?.startsWith('https:') ? '; Secure' : ''
  reply.header('cache-control', 'no-store')
  reply.header(
    'set-cookie',
    `${SESSION_COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`,
  )
}
