/** Backup while the server runs, and a restore that goes on where the snapshot was taken. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { ExtractAccepted } from '../../src/wire/extract.ts'
import { BatchAccepted } from '../../src/wire/native.ts'
import { Follower } from './follow.ts'
import { freshFolder, runEntry, startServer } from './harness.ts'
import { heatSheet, SWIMMER } from './sheets.ts'

const Totals = z.object({ batch: z.object({ status: z.string(), totalJobs: z.int(), completedJobs: z.int() }) })

it('a backup taken under load restores to a server that finishes what was under way', async () => {
  const folder = await freshFolder()
  const target = join(folder, 'backup')
  const restored = join(folder, 'restored')
  const ids: string[] = []
  {
    await using server = await startServer({ env: { CONCURRENCY: '2' } })
    const form = new FormData()
    form.set('swimmer', SWIMMER)
    form.append('pdfs', new Blob([Buffer.from(await heatSheet({ meet: 'Backup Open' }))]), 'heats.pdf')
    const extracted = await server.fetch('/api/batch/extract', { method: 'POST', body: form })
    const slow = await server.fetch('/api/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ operation: 'echo', items: Array.from({ length: 60 }, () => ({ waitMs: 1_000 })) }),
    })
    ids.push(ExtractAccepted.parse(await extracted.json()).batchId, BatchAccepted.parse(await slow.json()).batchId)
    expect(await runEntry(['backup', target], { DATA_DIR: server.dataDir })).toMatchObject({ code: 0 })
    const again = await runEntry(['backup', target], { DATA_DIR: server.dataDir })
    expect([again.code, again.output]).toEqual([1, expect.stringContaining('is there already')])
  }
  expect(await runEntry(['restore', target], { DATA_DIR: restored })).toMatchObject({ code: 0 })
  const twice = await runEntry(['restore', target], { DATA_DIR: restored })
  expect([twice.code, twice.output]).toEqual([1, expect.stringContaining('holds a database already')])
  {
    await using server = await startServer({ dataDir: restored, env: { CONCURRENCY: '60' } })
    // The snapshot was taken in the middle: some were done, two ran in a process that is no more, the others waited.
    expect(server.output).toContain('took back jobs of a process that is gone')
    const [, slow = ''] = ids
    const begun = Totals.parse(await (await server.fetch(`/api/batch/${slow}`)).json()).batch
    expect(begun.completedJobs).toBeLessThan(begun.totalJobs)
    for (const id of ids) {
      const follower = new Follower(`${server.url}/api/batch/${id}/stream`)
      await follower.completed()
      follower.close()
      const { batch } = Totals.parse(await (await server.fetch(`/api/batch/${id}`)).json())
      expect(batch).toMatchObject({ status: 'completed', completedJobs: batch.totalJobs })
    }
  }
  await rm(folder, { recursive: true })
})
