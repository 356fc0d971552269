/** How bodies are read: JSON and nothing else, checked by zod where a route takes one. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HttpRefusal } from './problems.ts'

export function takeJson(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error')
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Clients that always send the header send it without a body, too.
    if (body === '') done(null, undefined)
    else parseJson(request, body, (error, parsed) => done(error && isJson(body) ? namesRefused() : error, parsed))
  })
}

/** Input is checked by zod: Fastify's own compilers, which take 40 ms to load, stay out of the start. */
export function noSchemas(): never {
  throw new TypeError('Routes are described in zod (see route.ts), not by a Fastify schema.')
}

/**
 * A client that still sends would find its connection gone, and never read why: what is left of the body is thrown away as
 * it comes, for as long as a request may take.
 */
export function takeTheRest(request: FastifyRequest, reply: FastifyReply): void {
  reply.removeHeader('connection')
  request.raw.resume()
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Of JSON that is not taken for what it would do to objects that it is copied into. */
function namesRefused(): HttpRefusal {
  return new HttpRefusal(
    'malformed-json',
    'The body has a member __proto__, or a constructor with a prototype in it, which is not taken. Give it another name.',
  )
}
