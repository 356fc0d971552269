/** How many submits a second a server takes over HTTP, each answered when it is durable. The client is on the same cores. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { resolve } from 'node:path'
import { type Benchmark, keepInFlight, timed } from './harness.ts'
import { payload } from './histories.ts'
import { serve, urlOf } from './server.ts'

const APP_FILE = resolve(import.meta.dirname, 'apps/noop.ts')
const BARE_FILE = resolve(import.meta.dirname, 'apps/bare-http.ts')
const CLIENTS = 50
const WARM_UP = 5_000
const SUBMITS = 20_000

export const http: Benchmark = {
  name: 'http',
  about: `${SUBMITS} submits over HTTP by ${CLIENTS} clients, each answered when it is durable; the bare server reads the same JSON and answers as much`,
  rounds: 3,
  async round(directory) {
    const bare = await submitsPerSecond(spawn(process.execPath, [BARE_FILE], { stdio: ['ignore', 'pipe', 'inherit'] }))
    const value = await submitsPerSecond(serve(APP_FILE, directory))
    return [{ what: 'submits', value, unit: 'requests/s', bare: { what: 'a bare node:http server', value: bare } }]
  },
}

async function submitsPerSecond(server: ChildProcess): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  try {
    const url = `${await urlOf(server)}/api/v1/tasks/noop/$submit`
    const submit = (i: number): Promise<void> => post(url, { params: payload(i) }, agent)
    await keepInFlight(WARM_UP, CLIENTS, submit)
    return (SUBMITS / (await timed(() => keepInFlight(SUBMITS, CLIENTS, submit)))) * 1000
  } finally {
    agent.destroy()
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }
}

/** @throws unless it is answered with 202 */
function post(url: string, body: object, agent: Agent): Promise<void> {
  const text = JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const asked = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume()
      answer.once('end', () => {
        if (answer.statusCode === 202) resolve()
        else reject(new Error(`A submit was answered with ${answer.statusCode}`))
      })
    })
    asked.once('error', reject)
    asked.end(text)
  })
}
