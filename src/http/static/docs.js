/** Shows /openapi.json as a page: one entry an operation, its parameters, body and answers, and a command to try it. */

const api = await (await fetch('/openapi.json')).json()
document.title = `${api.info.title} API`
document.querySelector('h1').textContent = `${api.info.title} API ${api.info.version}`
document.querySelector('#about').append(...prose(api.info.description))

const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
)
const main = document.querySelector('#operations')
for (const [tag, group] of Map.groupBy(operations, ({ operation }) => operation.tags[0])) {
  main.append(element('section', {}, element('h2', {}, tag), ...group.map(entry)))
}

const find = document.querySelector('#find')
find.addEventListener('input', () => {
  const words = find.value.toLowerCase().split(/\s+/)
  for (const details of main.querySelectorAll('details')) {
    const text = details.querySelector('summary').textContent.toLowerCase()
    details.hidden = !words.every((word) => text.includes(word))
  }
  for (const section of main.querySelectorAll('section')) {
    section.hidden = !section.querySelector('details:not([hidden])')
  }
})

function entry({ path, method, operation }) {
  const { parameters = [], requestBody, responses } = operation
  const bodySchema = requestBody?.content['application/json'].schema
  return element(
    'details',
    {},
    element(
      'summary',
      {},
      element('code', {}, `${method} ${path}`),
      ' ',
      element('span', { className: 'summary' }, operation.summary),
    ),
    element(
      'div',
      { className: 'body' },
      operation.description && element('p', {}, ...prose(operation.description)),
      element('pre', {}, curl(method, path, bodySchema)),
      parameters.length > 0 && element('h3', {}, 'Parameters'),
      parameters.length > 0 && element('dl', {}, ...parameters.flatMap(parameter)),
      bodySchema && element('h3', {}, 'Body'),
      bodySchema && element('pre', {}, JSON.stringify(resolve(bodySchema), null, 2)),
      element('h3', {}, 'Answers'),
      ...Object.entries(responses).flatMap(answer),
    ),
  )
}

function parameter({ name, in: place, required, description, schema }) {
  const type = schema.enum?.join(' | ') ?? schema.type ?? 'text'
  return [
    element('dt', {}, `${name}${required ? '' : '?'}: ${type}`),
    element('dd', {}, [`In the ${place}.`, description ?? schema.description].filter(Boolean).join(' ')),
  ]
}

function answer([status, { description, content = {} }]) {
  const schema = content['application/json']?.schema
  return [
    element('p', {}, element('code', {}, status), ` ${description}`),
    schema && element('pre', {}, JSON.stringify(resolve(schema), null, 2)),
  ]
}

function curl(method, path, bodySchema) {
  const url = `'${location.origin}${path}'`
  if (method === 'GET') return `curl ${url}`
  const body = bodySchema ? ` -H 'Content-Type: application/json' -d '{}'` : ''
  return `curl -X ${method} ${url}${body}`
}

/** The schema with its references followed, each only once along a path. */
function resolve(schema, seen = []) {
  if (Array.isArray(schema)) return schema.map((item) => resolve(item, seen))
  if (typeof schema !== 'object' || schema === null) return schema
  if (typeof schema.$ref === 'string') {
    const name = schema.$ref.split('/').at(-1)
    return seen.includes(name) ? { $ref: name } : resolve(api.components.schemas[name], [...seen, name])
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolve(value, seen)]))
}

/** Text in which backticks mark code. */
function prose(text) {
  return text.split('`').map((part, index) => (index % 2 === 1 ? element('code', {}, part) : part))
}

/** Text is set as text, never as markup. */
function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children.filter(Boolean))
  return made
}
