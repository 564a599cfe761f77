/** A clock that jumped while no isolate ran, as the Worker's first message finds it. */
import { createExecutionContext, createMessageBatch, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, it, vi } from 'vitest'
import worker from '../../src/cloudflare.ts'
import { observeTime } from '../../src/engine/database-time.ts'
import { openEngine, quietLog } from '../support/fixture.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

afterEach(() => vi.restoreAllMocks())

it('is logged before any work, and noted as a jump', async () => {
  const engine = await openEngine()
  const past = { now: () => Date.now() - 60 * DAY_MS }
  await observeTime({ db: engine.db, clock: past, log: quietLog() }, 30 * DAY_MS)
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const ctx = createExecutionContext()
  const assets = { fetch: async () => new Response(null, { status: 404 }) }
  await worker.queue(createMessageBatch('wake', []), { ...env, ASSETS: assets }, ctx)
  await waitOnExecutionContext(ctx)
  expect(warn.mock.calls.flat().filter((line) => String(line).includes('"retention.clock_jumped"'))).toHaveLength(1)
  await engine.close()
})
