/** The other end of `apart`: runs one exported function and sends back what it returns. */
import { once } from 'node:events'

const [, , module = '', step = ''] = process.argv
const [args] = (await once(process, 'message')) as [readonly unknown[]]
let answer: { result: unknown } | { error: string }
try {
  const exported: Record<string, unknown> = await import(module)
  const work = exported[step]
  if (typeof work !== 'function') throw new TypeError(`${module} exports no function ${step}`)
  answer = { result: await work(...args) }
} catch (error) {
  answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}
process.send?.(answer, () => process.exit())
