/** An idempotency key is the name of one batch of its owner, whichever surface and operation it came to. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { startServer, type TestServer } from '../../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const json = (body: unknown): RequestInit => ({
  body: JSON.stringify(body),
  headers: { 'Content-Type': 'application/json' },
})

function form(): RequestInit {
  const body = new FormData()
  body.set('swimmer', 'Ada Example')
  body.set('urls', '["https://sheets.invalid/heats.pdf"]')
  return { body }
}

const ids = Array.from({ length: 101 }, (_, at) => `none-${at}`)

/** A creation of each operation that takes a key. */
const CREATIONS: Readonly<Record<string, { path: string; init: () => RequestInit }>> = {
  echo: { path: '/api/batch', init: () => json({ operation: 'echo', items: [{ value: 1 }] }) },
  'heat-sheet, native': {
    path: '/api/batch',
    init: () =>
      json({
        operation: 'heat-sheet',
        input: { swimmer: 'Ada Example' },
        items: [{ url: 'https://sheets.invalid/heats.pdf' }],
      }),
  },
  'heat-sheet, form': { path: '/api/batch/extract', init: form },
  'cards.import': {
    path: '/bulk/import',
    init: () => json({ cards: [{ title: 'One', body: 'Text', category: 'NOTE', privacy_level: 'PERSONAL' }] }),
  },
  'cards.export': { path: '/bulk/export', init: () => json({ format: 'json' }) },
  'cards.delete': { path: '/bulk/delete', init: () => json({ card_ids: ['none'] }) },
  'cards.restore': { path: '/bulk/restore', init: () => json({ card_ids: ['none'] }) },
  'resources.write': { path: '/api/v1/batch/delete', init: () => json({ resource_type: 'activities', ids }) },
}

const Answer = z.looseObject({
  batchId: z.string().optional(),
  batch_id: z.string().optional(),
  task_id: z.string().optional(),
})

async function create(name: string, key: string): Promise<{ status: number; id: string | undefined; text: string }> {
  const creation = CREATIONS[name]
  if (creation === undefined) throw new Error(`There is no creation "${name}".`)
  const { headers, ...init } = creation.init()
  const response = await server.fetch(creation.path, {
    method: 'POST',
    ...init,
    headers: { ...Object.fromEntries(new Headers(headers)), 'Idempotency-Key': key },
  })
  const text = await response.text()
  const { batchId, batch_id, task_id } = Answer.parse(JSON.parse(text))
  return { status: response.status, id: batchId ?? batch_id ?? task_id, text }
}

const Status = z.object({ batch: z.looseObject({ id: z.string() }) })

it.each(Object.keys(CREATIONS))('of %s is repeated by the same request alone; every other is 422', async (first) => {
  const key = `key-of-${first.replace(/\W+/g, '-')}`
  const made = await create(first, key)
  expect([200, 202], made.text).toContain(made.status)
  expect((await create(first, key)).id).toBe(made.id)
  for (const other of Object.keys(CREATIONS).filter((name) => name !== first)) {
    const refused = await create(other, key)
    expect([other, refused.status]).toEqual([other, 422])
    expect(refused.text).toContain('Idempotency-Key')
  }
  const { batch } = Status.parse(await (await server.fetch(`/api/batch/${key}`)).json())
  expect(batch.id).toBe(made.id)
})

it('makes one batch where different operations race for it', async () => {
  const names = Object.keys(CREATIONS)
  const answers = await Promise.all([...names, ...names].map((name) => create(name, 'raced')))
  const won = answers.filter(({ status }) => status < 300)
  expect(new Set(won.map(({ id }) => id)).size).toBe(1)
  expect(answers.filter(({ status }) => status === 422)).toHaveLength(answers.length - won.length)
})
