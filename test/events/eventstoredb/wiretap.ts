/** A wire that can be cut, or go dead without a word, between a client and a server. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Wiretap {
  readonly port: number
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #refuses = false

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  get url(): string {
    return `esdb://127.0.0.1:${this.port}?tls=false`
  }

  static async start(target: () => number): Promise<Wiretap> {
    let running: Wiretap | undefined
    const server = createServer((client) => (running ? running.#accept(client, target()) : client.destroy()))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('A TCP server has a port')
    running = new Wiretap(server, address.port)
    return running
  }

  /** Ends every connection there is. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  /** Every connection there is stays open, and nothing comes through any more; new ones are sound. */
  stall(): void {
    for (const [client, upstream] of this.#pairs) {
      client.unpipe(upstream)
      upstream.unpipe(client)
      client.pause()
      upstream.pause()
    }
  }

  /** While it refuses, a new connection is closed at once. */
  refuse(refuses: boolean): void {
    this.#refuses = refuses
    if (refuses) this.cut()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #accept(client: Socket, port: number): void {
    if (this.#refuses) return void client.destroy()
    const upstream = connect(port, '127.0.0.1')
    const pair = [client, upstream] as const
    this.#pairs.add(pair)
    const end = () => {
      this.#pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    client.pipe(upstream)
    upstream.pipe(client)
  }
}
