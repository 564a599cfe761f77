/** What the suites that run inside workerd are given: see the project `workerd` in vitest.config.ts. */
declare module 'cloudflare:workers' {
  import type { D1Migration } from 'cloudflare:test'
  import type { D1Database, DurableObjectNamespace, Queue, R2Bucket } from '@cloudflare/workers-types'
  export const env: {
    readonly DB: D1Database
    readonly BLOBS: R2Bucket
    readonly WAKE: Queue
    readonly BATCHES: DurableObjectNamespace
    readonly TIMER: DurableObjectNamespace
    readonly MIGRATIONS: readonly D1Migration[]
  }
}

declare module 'cloudflare:test' {
  import type { D1Database, ExecutionContext, MessageBatch } from '@cloudflare/workers-types'
  export function createExecutionContext(): ExecutionContext
  export function waitOnExecutionContext(ctx: ExecutionContext): Promise<void>
  export function createMessageBatch(queue: string, messages: readonly never[]): MessageBatch
  export interface D1Migration {
    readonly name: string
    readonly queries: readonly string[]
  }
  export function applyD1Migrations(db: D1Database, migrations: readonly D1Migration[]): Promise<void>
  /** Empties every binding. */
  export function reset(): Promise<void>
}
