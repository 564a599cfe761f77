/** Dry runs of creates over real HTTP: all items are checked, nothing is kept. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../../src/client/index.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { NativeClient } from './native-client.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const { post, create, followed } = new NativeClient(() => server)
const dryRun = async (items: readonly unknown[], more: object = {}) => {
  const response = await post('/api/batch', { operation: 'echo', items, dryRun: true, ...more })
  return { status: response.status, ...(await response.json()) }
}

describe('a dry run', () => {
  it('says that all items are taken, and how long they would run once that was measured', async () => {
    expect(await dryRun([{ value: 1 }, { value: 2 }])).toEqual({
      status: 200,
      success: true,
      dryRun: true,
      operation: 'echo',
      items: 2,
      valid: 2,
      invalid: 0,
      errors: [],
      totalJobs: 2,
      estimatedSeconds: null,
    })
    expect(await (await server.fetch('/api/batch')).json()).toMatchObject({ batches: [] })
    const { batchId } = await create({ operation: 'echo', items: [{ value: 1 }] })
    await followed(batchId)
    expect((await dryRun([{ value: 1 }])).estimatedSeconds).toBeGreaterThanOrEqual(1)
  })

  it('counts every item that is wrong, and names the first hundred', async () => {
    const items = Array.from({ length: 3_000 }, (_, index) =>
      index % 10 === 3 ? { waitMs: 'long' } : { value: index },
    )
    const report = await dryRun([...items, { id: 'a' }, { id: 'a' }, { value: 'x'.repeat(1_000_001) }])
    expect(report).toMatchObject({ status: 200, items: 3_003, valid: 2_701, invalid: 302, totalJobs: 2_701 })
    expect(report.errors).toHaveLength(100)
    expect(report.errors[1]).toMatchObject({ index: 13, field: 'items.13.waitMs' })
    expect(report.errors[1].message).toMatch(/^items\.13\.waitMs: /)
    const last = await dryRun([{ id: 'a' }, { id: 'a' }, { value: 'x'.repeat(1_000_001) }])
    expect(last.errors).toMatchObject([
      { index: 1, field: 'items.1.id', message: expect.stringContaining('items.0.id') },
      { index: 2, field: 'items.2' },
    ])
  })

  it('refuses what a create refuses beside its items', async () => {
    const past = { deadline: '2001-01-01T00:00:00Z' }
    expect(await dryRun([{}], { options: past })).toMatchObject({ status: 400, field: 'options.deadline' })
    expect(await dryRun([])).toMatchObject({ status: 400 })
    expect(await dryRun([{}], { operation: 'ecko' })).toMatchObject({ status: 400, field: 'operation' })
    const open = await post('/api/batch', { operation: 'echo', open: true, dryRun: true })
    expect([open.status, await open.json()]).toEqual([400, expect.objectContaining({ field: 'dryRun' })])
  })

  it('is a method of the client', async () => {
    const client = createClient({ baseUrl: server.url })
    expect(await client.dryRun({ operation: 'echo', items: [{ value: 1 }, { step: 1 }] })).toMatchObject({
      valid: 1,
      invalid: 1,
      errors: [{ index: 1, field: 'items.1.step', message: expect.stringContaining('steps') }],
    })
  })
})
