/** What is told of a task as it is declared: its input schema, and the same as parameters and a signature in words. */
import { z } from 'zod'
import type { TaskDefinition } from '../app/index.ts'
import type { Json, TaskInfo } from './wire.ts'

/** Of a task, whatever became of it while the app runs. */
export type DeclaredInfo = Omit<TaskInfo, 'paused'>

const made = new WeakMap<TaskDefinition, DeclaredInfo>()

/** Made once per definition. Injected services are no part of the input, and so no parameters. */
export function taskInfo(task: TaskDefinition): DeclaredInfo {
  const known = made.get(task)
  if (known) return known
  const info = describe(task)
  made.set(task, info)
  return info
}

function describe(task: TaskDefinition): DeclaredInfo {
  const schema = inputSchema(task)
  const parameters = parametersOf(schema)
  return {
    name: task.name,
    docstring: task.description ?? null,
    signature: `(${parameters.map(parameterText).join(', ')})`,
    parameters,
    tags: [...task.tags],
    schema,
  }
}

type Schema = { [key: string]: Json }

function inputSchema(task: TaskDefinition): Schema {
  if (!task.input) return { type: 'object' }
  // What a caller sends: before defaults and transforms. What has no JSON Schema (a custom check) is left open.
  const schema = z.toJSONSchema(task.input, { io: 'input', unrepresentable: 'any' })
  return isSchema(schema) ? schema : { type: 'object' }
}

function parametersOf(schema: Schema): TaskInfo['parameters'] {
  const required = Array.isArray(schema.required) ? schema.required : []
  return Object.entries(isSchema(schema.properties) ? schema.properties : {}).map(([name, property]) => {
    const value = isSchema(property) ? property.default : undefined
    return {
      name,
      annotation: isSchema(property) ? typeText(property) : null,
      default: value === undefined ? null : literal(value),
      required: required.includes(name),
    }
  })
}

function parameterText(parameter: TaskInfo['parameters'][number]): string {
  const optional = !parameter.required && parameter.default === null ? '?' : ''
  const annotation = parameter.annotation === null ? '' : `: ${parameter.annotation}`
  const value = parameter.default === null ? '' : ` = ${parameter.default}`
  return `${parameter.name}${optional}${annotation}${value}`
}

/** A JSON Schema as a TypeScript type; null where it says nothing. */
function typeText(schema: Schema): string | null {
  if ('const' in schema && schema.const !== undefined) return literal(schema.const)
  if (Array.isArray(schema.enum)) return schema.enum.map(literal).join(' | ')
  const options = schema.anyOf ?? schema.oneOf
  if (Array.isArray(options)) {
    return options.map((option) => (isSchema(option) ? (typeText(option) ?? 'unknown') : 'unknown')).join(' | ')
  }
  if (schema.type === 'array') {
    const item = isSchema(schema.items) ? (typeText(schema.items) ?? 'unknown') : 'unknown'
    return item.includes(' ') ? `(${item})[]` : `${item}[]`
  }
  const types = Array.isArray(schema.type) ? schema.type : [schema.type]
  const words = types.filter((type) => typeof type === 'string')
  return words.length > 0 ? words.join(' | ') : null
}

function literal(value: Json): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
