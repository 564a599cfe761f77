/** The package `millrace/cloudflare`: the handlers of a Worker, its Durable Objects, and custom operations. */
export { createWorker, MillraceBatch, MillraceTimer } from './cloudflare.ts'
export { defineOperation } from './custom/define-operation.ts'
export { NonRetryableError, RetryAfterError } from './custom/errors.ts'
