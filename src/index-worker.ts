/** The package `millrace` without Node: custom operations, for a module that Workers, pages and Node programs share. */
export type * from './client/operations.ts'
export { defineOperation } from './custom/define-operation.ts'
export { NonRetryableError, RetryAfterError } from './custom/errors.ts'
export type * from './custom/types.ts'
export { MillraceError } from './errors.ts'

/** @throws Error always: there is no Node here */
export function createMillrace(): never {
  throw new Error('createMillrace runs on Node. On Cloudflare use createWorker of "millrace/cloudflare".')
}
