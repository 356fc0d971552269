/** The live connection with its sockets, its clock and its dice in the hands of the test. */
import type { ClientFrame, ServerFrame } from '../../src/http/wire.ts'
import { Connection } from '../../web-components/client/index.ts'

/** A socket in the test's hands. */
class Line {
  readyState = 0
  sent: ClientFrame[] = []
  onopen: ((event: Event) => void) | null = null
  onmessage: ((event: MessageEvent<string>) => void) | null = null
  onclose: ((event: CloseEvent) => void) | null = null
  open(): void {
    this.readyState = 1
    this.onopen?.(new Event('open'))
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientFrame)
  }
  close(): void {
    this.readyState = 3
  }
  hear(frame: ServerFrame): void {
    this.onmessage?.(new MessageEvent('message', { data: JSON.stringify(frame) }))
  }
  end(code: number, reason = ''): void {
    this.readyState = 3
    this.onclose?.(new CloseEvent('close', { code, reason }))
  }
  of<T extends ClientFrame['type']>(type: T): Extract<ClientFrame, { type: T }>[] {
    return this.sent.filter((frame): frame is Extract<ClientFrame, { type: T }> => frame.type === type)
  }
}

/** A connection with its clock, its dice and its sockets in the test's hands. */
export function given({ random = 1, token }: { random?: number; token?: (refused: boolean) => string } = {}) {
  const lines: Line[] = []
  const timers = new Map<number, { at: number; run: () => void }>()
  let now = 1_000_000
  let ids = 0
  let refusal: string | undefined
  const connection = new Connection('http://capsule.test', {
    socket: () => {
      if (refusal !== undefined) throw new DOMException(refusal, 'SecurityError')
      const line = new Line()
      lines.push(line)
      // The parts of WebSocket that a connection uses.
      return line as unknown as WebSocket
    },
    now: () => now,
    setTimeout: (run, ms) => {
      ids += 1
      timers.set(ids, { at: now + ms, run })
      return ids
    },
    clearTimeout: (timer) => void timers.delete(timer),
    random: () => random,
    uuid: () => `id-${++ids}`,
  })
  if (token) connection.token = token
  const advance = async (ms: number): Promise<void> => {
    now += ms
    for (const [id, timer] of [...timers]) {
      if (timer.at > now || !timers.delete(id)) continue
      timer.run()
    }
    await settled()
  }
  const line = (): Line => {
    const last = lines.at(-1)
    if (!last) throw new Error('no socket was opened')
    return last
  }
  const welcome = (position = '10', time?: string): void => {
    line().open()
    const server = { version: '1', node: 'node-1', ...(time === undefined ? {} : { time }) }
    line().hear({ type: 'welcome', user: { id: 'local', name: 'Local' }, position, server })
  }
  const refuse = (why: string): void => {
    refusal = why
  }
  return { connection, lines, line, advance, welcome, timers, refuse, at: () => now }
}

/** What was promised meanwhile has been done. */
export const settled = () => new Promise<void>((resolve) => setTimeout(resolve))

/** One that was welcomed. */
export async function live(options: Parameters<typeof given>[0] = {}) {
  const world = given(options)
  world.connection.open()
  await settled()
  world.welcome()
  return world
}
