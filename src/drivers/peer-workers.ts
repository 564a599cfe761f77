/** Returns the peer address of a connection on Cloudflare, which sets this header itself and drops a client's. */
export function workersPeerAddress(_binding: unknown, request: Request): string | null {
  return request.headers.get('CF-Connecting-IP')
}
