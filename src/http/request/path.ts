/** The path that a request is routed by. */
import { getPath } from 'hono/utils/url'

/**
 * Reads the path of a request: decoded as Hono does, but for line ends (ECMA-262, section 12.3), which stay percent-encoded. Hono's patterns
 * for "any path" do not match them, so a path with one would pass by all middleware. Parameters are decoded later, whole.
 */
export function parsePath(request: Request): string {
  return getPath(request).replace(/[\n\r\u2028\u2029]/g, encodeURIComponent)
}
