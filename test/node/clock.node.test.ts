/** A server that starts with a clock far beyond that of the one before it. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { Follower } from '../support/follow.ts'
import { freshFolder, startServer } from '../support/server.ts'

const SHIFTED = {
  NODE_OPTIONS: `--import ${pathToFileURL(join(import.meta.dirname, '..', 'hostile', 'shifted-clock.ts')).href}`,
  CLOCK_SHIFT_DAYS: '60',
}

it('says at once that the clock jumped, and keeps what ended', async () => {
  const dataDir = await freshFolder()
  let id: string
  {
    await using before = await startServer({ dataDir })
    const created = await before.fetch('/api/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"operation":"echo","items":[{}]}',
    })
    id = BatchAccepted.parse(await created.json()).batchId
    const follower = new Follower(`${before.url}/api/batch/${id}/stream`)
    await follower.completed()
    follower.close()
  }
  {
    await using server = await startServer({ dataDir, env: SHIFTED })
    await server.says('"event":"retention.clock_jumped"')
    expect((await server.fetch(`/api/batch/${id}`)).status).toBe(200)
  }
  await rm(dataDir, { recursive: true, force: true })
})
