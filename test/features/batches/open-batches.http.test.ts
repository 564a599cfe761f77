/** Batches that are fed in slices, over real HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ItemResult } from '../../../src/features/batches/schemas.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { NativeClient, Refusal } from './native-client.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { CONCURRENCY: '4' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const { post, create, statusOf, followed } = new NativeClient(() => server)

describe('an open batch', () => {
  const slice = (id: string, from: number, count: number) =>
    server.fetch(`/api/batch/${id}/items?from=${from}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: Array.from({ length: count }, (_, i) => `${JSON.stringify({ value: from + i })}\n`).join(''),
    })

  it('is fed in slices, sent again without doubling, and sealed', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    expect(await (await slice(batchId, 0, 3_000)).json()).toMatchObject({ received: 3_000, next: 3_000 })
    await slice(batchId, 2_000, 2_000)
    expect(await statusOf(batchId)).toMatchObject({ totalJobs: 4_000, open: true })
    await post(`/api/batch/${batchId}/seal`)
    await followed(batchId)
    expect(await statusOf(batchId)).toMatchObject({ status: 'completed', totalJobs: 4_000, completedJobs: 4_000 })
    expect((await slice(batchId, 4_000, 1)).status).toBe(409)
  })

  const lines = (id: string, query: string, items: readonly unknown[]) =>
    server.fetch(`/api/batch/${id}/items${query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: items.map((item) => `${JSON.stringify(item)}\n`).join(''),
    })
  const refused = async (answer: Promise<Response>) => {
    const response = await answer
    return { status: response.status, ...Refusal.parse(await response.json()) }
  }
  const values = async (id: string) => {
    const text = await (await server.fetch(`/api/batch/${id}/results?set=succeeded&format=ndjson`)).text()
    return text
      .trim()
      .split('\n')
      .map((line) => ItemResult.parse(JSON.parse(line)).result)
  }

  it('wants to know where a slice belongs, unless it is the first', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    const first = await lines(batchId, '', [{ value: 'a' }, { value: 'b' }])
    expect(await first.json()).toMatchObject({ received: 2, added: 2, next: 2 })
    expect(await refused(lines(batchId, '', [{ value: 'c' }, { value: 'd' }]))).toMatchObject({
      status: 400,
      field: 'from',
      message: expect.stringContaining('?from=2'),
    })
    expect(await (await lines(batchId, '?from=2', [{ value: 'c' }])).json()).toMatchObject({ added: 1, next: 3 })
    await post(`/api/batch/${batchId}/seal`)
    await followed(batchId)
    expect(await values(batchId)).toEqual(['a', 'b', 'c'])
  })

  it('takes the same slice again, and no other in its place', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    const items = Array.from({ length: 1_500 }, (_, value) => ({ value, waitMs: 0 }))
    await lines(batchId, '?from=0', items)
    expect(await (await lines(batchId, '?from=0', items)).json()).toMatchObject({
      received: 1_500,
      added: 0,
      next: 1_500,
    })
    const half = await lines(batchId, '?from=1400', [...items.slice(1_400), { value: 1_500 }])
    expect(await half.json()).toMatchObject({ received: 101, added: 1, next: 1_501 })
    const other = items.map((item) => (item.value === 1_234 ? { value: 'another' } : item))
    expect(await refused(lines(batchId, '?from=0', [...other, {}, {}]))).toMatchObject({
      status: 409,
      error: 'CONFLICT',
      field: 'items.1234',
      message: expect.stringContaining('from item 1000 on'),
    })
    expect(await (await post(`/api/batch/${batchId}/seal`, { total: 1_501 })).json()).toMatchObject({
      totalJobs: 1_501,
    })
    await followed(batchId)
    expect(await values(batchId)).toEqual(Array.from({ length: 1_501 }, (_, value) => value))
  })

  it('of two that race for a place, takes one whole and tells the other', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    const sent = ['x', 'y'].map((value) =>
      lines(
        batchId,
        '?from=0',
        Array.from({ length: 400 }, () => ({ value })),
      ),
    )
    const statuses = (await Promise.all(sent)).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 409])
    await post(`/api/batch/${batchId}/seal`, { total: 400 })
    await followed(batchId)
    expect(new Set(await values(batchId)).size).toBe(1)
  })

  it('is sealed only when it is whole, and says what never came', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    await lines(batchId, '?from=1000', [{ value: 'late' }, { value: 'later' }])
    const seal = (body?: unknown) => refused(post(`/api/batch/${batchId}/seal`, body))
    expect(await seal()).toMatchObject({ status: 409, message: expect.stringContaining('items 0 to 999 never came') })
    await lines(
      batchId,
      '?from=0',
      Array.from({ length: 998 }, () => ({})),
    )
    expect(await seal()).toMatchObject({ status: 409, message: expect.stringContaining('items 998 to 999 never came') })
    await lines(batchId, '?from=998', [{}, {}])
    const short = await seal({ total: 1_500 })
    expect(short).toMatchObject({ status: 409, field: 'total', message: expect.stringContaining('those from 1002 on') })
    expect(await seal({ total: 1_001 })).toMatchObject({
      status: 409,
      message: expect.stringContaining('1002 items, not 1001'),
    })
    expect(await seal({ total: 'all' })).toMatchObject({ status: 400, field: 'total' })
    expect((await statusOf(batchId)).status).not.toBe('completed')
    // Sent again, because the answer may have been lost.
    for (const body of [{ total: 1_002 }, { total: 1_002 }, undefined]) {
      expect((await post(`/api/batch/${batchId}/seal`, body)).status).toBe(200)
    }
    expect(await seal({ total: 1_003 })).toMatchObject({
      status: 409,
      message: expect.stringContaining('was sealed with'),
    })
    await followed(batchId)
    expect(await statusOf(batchId)).toMatchObject({ status: 'completed', completedJobs: 1_002 })
  })

  it('gives back a number that no double holds', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    const body = '{"value":1e308}\n{"value":{"a":1e999}}\n'
    const headers = { 'Content-Type': 'application/x-ndjson' }
    const response = await server.fetch(`/api/batch/${batchId}/items`, { method: 'POST', headers, body })
    expect(response.status).toBe(200)
    const items = await server.fetch(`/api/batch/${batchId}/results?as=items`)
    expect(await items.text()).toBe(body.replace('1e308', '1e+308'))
  })

  it('says which item is wrong, counted from the first of the slice, and keeps those before it', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    await lines(batchId, '', [{}, {}])
    const items = Array.from({ length: 1_600 }, (_, i) => (i === 1_500 ? { waitMs: 'long' } : {}))
    const refusal = await refused(lines(batchId, '?from=2', items))
    expect(refusal).toMatchObject({ status: 400, field: 'items.1500.waitMs' })
    expect(refusal.message).toMatch(/^items\.1500\.waitMs: .*string\. The items before it were taken; .*from=1502\.$/)
    expect((await post(`/api/batch/${batchId}/seal`, { total: 1_502 })).status).toBe(200)
  })

  it('counts the bytes of every line, and keeps those before one that is too long', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    const item = (letters: number) => `${JSON.stringify({ value: '€'.repeat(letters) })}\n`
    const answered = async (from: number, body: string) => {
      const response = await server.fetch(`/api/batch/${batchId}/items?from=${from}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-ndjson' },
        body,
      })
      return {
        status: response.status,
        ...Refusal.omit({ success: true })
          .partial()
          .parse(await response.json()),
      }
    }
    const tooLong = { status: 400, field: 'line 2', message: 'Line 2 is longer than 1 MB. Lines before it were taken.' }
    expect(await answered(0, `{"value":1}\n${item(900_000)}{"value":3}\n`)).toMatchObject(tooLong)
    expect(await answered(1, `{"value":2}\n${item(900_000).trimEnd()}`)).toMatchObject(tooLong)
    expect(await answered(2, item(333_000))).toMatchObject({ status: 200 })
    await post(`/api/batch/${batchId}/seal`)
    await followed(batchId)
    expect(await statusOf(batchId)).toMatchObject({ totalJobs: 3, completedJobs: 3 })
  })

  it('says which line is wrong, and keeps those before it', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    const response = await server.fetch(`/api/batch/${batchId}/items`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: '{"value":1}\n{"value":2}\nnot json\n',
    })
    expect([response.status, Refusal.parse(await response.json()).field]).toEqual([400, 'line 3'])
    await post(`/api/batch/${batchId}/seal`)
    await followed(batchId)
    expect(await statusOf(batchId)).toMatchObject({ totalJobs: 2, completedJobs: 2 })
  })
})
