/** The address at the other end of a connection, on Node. */

/** The address of the socket that @hono/node-server hands to the app with each request; null when it is closed already. */
export function nodePeerAddress(binding: unknown): string | null {
  if (typeof binding !== 'object' || binding === null || !('incoming' in binding)) return null
  const { incoming } = binding
  if (typeof incoming !== 'object' || incoming === null || !('socket' in incoming)) return null
  const { socket } = incoming
  if (typeof socket !== 'object' || socket === null || !('remoteAddress' in socket)) return null
  return typeof socket.remoteAddress === 'string' ? socket.remoteAddress : null
}
