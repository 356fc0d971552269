/** /api/v1/sessions: conversations, their messages, and stopping what one is doing. */
import { z } from 'zod'
import { NotFound } from '../actors/index.ts'
import type { RunningApp } from '../app/index.ts'
import type { Position } from '../events/index.ts'
import type { SessionView } from '../projections/index.ts'
import { assertOwnSession, findSession } from './own.ts'
import { acknowledge, paging, pagingBy, preferredWait, type Route, route } from './route.ts'
import * as schemas from './schemas/index.ts'
import { toItem, toSession } from './serialise.ts'
import { assertOwner, type User } from './users.ts'

const resource = 'Sessions'

const sent = z.object({ message_id: z.string() })

export const sessionRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/api/v1/sessions',
    resource,
    summary: 'Starts a conversation',
    body: schemas.createSessionBody,
    answers: { 201: { description: 'The session', schema: schemas.session } },
    errors: ['invalid-input', 'not-running', 'store-unavailable'],
    async handle({ app, user, body, caller, reply }) {
      if (body.id !== undefined) await assertOwnSession(app, user, body.id, true)
      const { sessionId, position } = await app.createSession(caller, body)
      acknowledge(reply, position)
      reply.code(201).header('location', `/api/v1/sessions/${encodeURIComponent(sessionId)}`)
      return toSession(await sessionAt(app, sessionId, position, user))
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/sessions',
    resource,
    summary: 'Your conversations, the last active first',
    query: z.strictObject({
      owner_id: z.string().min(1).exactOptional().meta({ description: 'Whose, in place of yours; for admins' }),
      limit: schemas.pageSize.default(50),
      cursor: schemas.cursor.exactOptional(),
    }),
    answers: { 200: { description: 'One page; `Link` leads to the next', schema: z.array(schemas.session) } },
    errors: ['bad-cursor', 'invalid-input'],
    async handle({ app, user, query, request, reply }) {
      const { owner_id = user.id, ...shown } = query
      assertOwner(user, owner_id)
      const page = await app.reads.sessions({ ownerId: owner_id, ...shown })
      pagingBy({ request, reply }, page)
      return page.items.map(toSession)
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/sessions/:id',
    resource,
    summary: 'One conversation',
    answers: { 200: { description: 'The session', schema: schemas.session } },
    errors: ['not-found'],
    handle: async ({ app, user, param }) => toSession(await findSession(app, param('id'), user)),
  }),

  route({
    method: 'GET',
    path: '/api/v1/sessions/:id/messages',
    resource,
    summary: 'What was said and shown, in order',
    query: z.strictObject({
      after: z.coerce
        .number('must be a number')
        .exactOptional()
        .meta({ description: 'Only items with a greater index' }),
      limit: schemas.pageSize.default(50),
    }),
    answers: { 200: { description: 'One page; `Link` leads to the next', schema: z.array(schemas.transcriptItem) } },
    errors: ['not-found', 'invalid-input'],
    async handle({ app, user, query, param, request, reply }) {
      await findSession(app, param('id'), user)
      const transcript = await app.reads.transcript(param('id'), query)
      if (!transcript) throw new NotFound('session', param('id'))
      const last = transcript.items.at(-1)
      paging({ request, reply }, last && transcript.items.length === query.limit ? { after: last.index } : undefined)
      return transcript.items.map(toItem)
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/sessions/:id/messages',
    resource,
    summary: 'Says something',
    description:
      'With `Prefer: wait=N` the answer waits up to N seconds for the turn to end, and carries what came of it.',
    body: schemas.messageBody,
    answers: {
      200: {
        description: 'Its turn has ended',
        schema: sent.extend({ items: z.array(schemas.transcriptItem) }),
      },
      202: { description: 'Recorded; its turn is to come', schema: sent },
    },
    errors: [
      'not-found',
      'invalid-input',
      'command-refused',
      'idempotency-conflict',
      'mailbox-full',
      'not-running',
      'store-unavailable',
    ],
    async handle({ app, user, body, caller, param, request, reply }) {
      const id = param('id')
      await assertOwnSession(app, user, id)
      const { messageId, position } = await app.sendMessage(id, body, caller)
      acknowledge(reply, position)
      const wait = preferredWait(request)
      if (wait !== undefined) {
        reply.header('preference-applied', `wait=${wait}`)
        const items = await app.waitForTurn(id, messageId, wait * 1000)
        if (items) return { message_id: messageId, items: items.map(toItem) }
      }
      reply.code(202)
      return { message_id: messageId }
    },
  }),

  route({
    method: 'POST',
    path: '/api/v1/sessions/:id/$stop',
    resource,
    summary: 'Stops the turn that runs',
    answers: { 200: { description: 'The session as it is then', schema: schemas.session } },
    errors: ['not-found', 'command-refused', 'idempotency-conflict', 'not-running', 'store-unavailable'],
    async handle({ app, user, caller, param, reply }) {
      await assertOwnSession(app, user, param('id'))
      const position = await app.stopTurn(param('id'), caller)
      acknowledge(reply, position)
      return toSession(await sessionAt(app, param('id'), position, user))
    },
  }),

  route({
    method: 'GET',
    path: '/api/v1/sessions/:id/data',
    resource,
    summary: 'What the app keeps with the conversation, by key',
    answers: { 200: { description: 'Its data', schema: z.record(z.string(), z.unknown()) } },
    errors: ['not-found'],
    handle: async ({ app, user, param }) => (await findSession(app, param('id'), user)).data,
  }),
]

/** The session as of a position at least. @throws NotFound, ReadModelBehind */
async function sessionAt(app: RunningApp, id: string, position: Position, user: User): Promise<SessionView> {
  await app.reads.waitFor(position)
  return findSession(app, id, user)
}
