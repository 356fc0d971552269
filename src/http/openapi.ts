/** The OpenAPI 3.1 document, made from the routes' own descriptions when it is first asked for. */
import { z } from 'zod'
import { SESSION_COOKIE } from './auth.ts'
import { type ErrorCode, errorEntry } from './errors.ts'
import type { RouteDescription } from './route.ts'
import { problem } from './schemas/index.ts'

type Json = { [key: string]: unknown }

/** Errors that any route may answer with; they are listed once, not at every route, which has a `default` for them. */
const COMMON: readonly ErrorCode[] = [
  'malformed-request',
  'invalid-input',
  'as-of-unsupported',
  'malformed-json',
  'payload-too-large',
  'unsupported-media-type',
  'read-model-behind',
  'read-models-unavailable',
  'written-by-newer-code',
  'store-unavailable',
  'sign-in-required',
  'key-refused',
  'not-permitted',
  'host-not-allowed',
  'origin-not-allowed',
  'overloaded',
  'internal',
]

const PROBLEM: Json = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }

const SECURITY: Json = {
  apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
  bearer: { type: 'http', scheme: 'bearer', description: 'The same key' },
  session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE, description: 'Set by $sign-in' },
}

export function openApi(
  info: { readonly title: string; readonly version: string },
  routes: readonly RouteDescription[],
  keyed: boolean,
) {
  const components: Json = {}
  const schema = (type: z.ZodType, io: 'input' | 'output'): Json => {
    const { $defs, $schema: _, ...rest } = hoist(z.toJSONSchema(type, { io, unrepresentable: 'any' }))
    if (isJson($defs)) Object.assign(components, $defs)
    return rest
  }
  schema(problem, 'output')

  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schema) }
  }
  return {
    openapi: '3.1.0',
    info: {
      ...info,
      description:
        'Errors are problem+json (RFC 9457). Mutations take Idempotency-Key and answer with X-Position; reads take ' +
        'at_least=<position> to include it. The live protocol is a WebSocket at /api/v1/live. Any route may answer ' +
        `with: ${COMMON.map((code) => `${errorEntry(code)?.status} ${code}`).join(', ')}.`,
    },
    paths,
    ...(keyed ? { security: Object.keys(SECURITY).map((name) => ({ [name]: [] })) } : {}),
    components: { schemas: components, ...(keyed ? { securitySchemes: SECURITY } : {}) },
  }
}

function operation(route: RouteDescription, schema: (type: z.ZodType, io: 'input' | 'output') => Json): Json {
  const responses: Record<string, Json> = {}
  for (const [status, answer] of Object.entries(route.answers)) {
    const mediaType = answer.mediaType ?? 'application/json'
    responses[status] = {
      description: answer.description,
      ...(answer.schema ? { content: { [mediaType]: { schema: schema(answer.schema, 'output') } } } : {}),
      ...(answer.mediaType ? { content: { [mediaType]: { schema: { type: 'string' } } } } : {}),
    }
  }
  for (const [status, codes] of Map.groupBy(route.errors ?? [], (code) => errorEntry(code)?.status ?? 500)) {
    responses[status] ??= {
      description: codes.map((code) => `${code}: ${errorEntry(code)?.meaning}`).join('\n'),
      content: PROBLEM,
    }
  }
  responses.default = { description: 'Any other error', content: PROBLEM }
  return {
    operationId: operationId(route),
    tags: [route.resource],
    ...(route.needs === 'anybody' ? { security: [] } : {}),
    summary: route.summary,
    ...descriptionOf(route),
    parameters: [...pathParameters(route), ...queryParameters(route, schema), ...commonParameters(route)],
    ...(route.body
      ? { requestBody: { content: { 'application/json': { schema: schema(route.body, 'input') } } } }
      : {}),
    responses,
  }
}

/** By which generated clients call it: `postTasksByNameSubmit`. */
function operationId({ method, path }: RouteDescription): string {
  const words = path.replace('/api/v1/', '/').replaceAll(':', 'by-').match(/\w+/g)
  return method.toLowerCase() + (words ?? []).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

function descriptionOf({ description, needs }: RouteDescription): Json {
  const told = [description, ...(needs === 'admin' ? ['For admins.'] : [])].filter((part) => part !== undefined)
  return told.length > 0 ? { description: told.join(' ') } : {}
}

function pathParameters(route: RouteDescription): Json[] {
  return [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
}

function queryParameters(route: RouteDescription, schema: (type: z.ZodType, io: 'input' | 'output') => Json): Json[] {
  if (!route.query) return []
  const { properties, required, additionalProperties } = schema(route.query, 'input')
  const named = Object.entries(isJson(properties) ? properties : {}).map(([name, property]) => ({
    name,
    in: 'query',
    required: Array.isArray(required) && required.includes(name),
    schema: property,
  }))
  if (!isJson(additionalProperties) || Object.keys(additionalProperties).length === 0) return named
  return [
    ...named,
    { name: 'params', in: 'query', style: 'form', explode: true, schema: { type: 'object', additionalProperties } },
  ]
}

function commonParameters(route: RouteDescription): Json[] {
  if (route.method === 'GET') {
    return [
      {
        name: 'at_least',
        in: 'query',
        description: 'Waits, at most 5 seconds, until the answer includes this position',
        schema: { type: 'string' },
      },
    ]
  }
  return [
    {
      name: 'Idempotency-Key',
      in: 'header',
      description: 'A repeat with the same key does nothing more',
      schema: { type: 'string', maxLength: 200 },
    },
  ]
}

/** References that point into the components of the document, not into the schema itself. */
function hoist(schema: object): Json {
  const text = JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')
  const parsed: unknown = JSON.parse(text)
  return isJson(parsed) ? parsed : {}
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
