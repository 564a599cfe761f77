/** The package `millrace` on Node: custom operations, and a server as a part of a program. */
export type * from './client/operations.ts'
export { defineOperation } from './custom/define-operation.ts'
export { NonRetryableError, RetryAfterError } from './custom/errors.ts'
export type * from './custom/types.ts'
export { MillraceError } from './errors.ts'
export type { FollowBatchOptions, SubmitOptions, Submitted } from './in-process.ts'
export { createMillrace, type Millrace, type MillraceOptions } from './node-embed.ts'
