/**
 * Connections that nobody has sent anything on: browsers open some beforehand. For Node they wait for a first request, so
 * its `closeIdleConnections` leaves them, and a server that closes would wait for them until it gives up.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Begins to watch; returns how to hang up on all that are spare by then. */
export function spareConnections(server: Server): () => void {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return () => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
  }
}
