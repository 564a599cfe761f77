/** The address at the other end of a connection, on Cloudflare, which writes this header itself and lets nobody else. */
export function workersPeerAddress(_binding: unknown, request: Request): string | null {
  return request.headers.get('CF-Connecting-IP')
}
