/** Secrets over HTTP: put, listed, deleted, and shown by nothing. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SecretList, SecretPut } from '../../../src/features/secrets/schemas.ts'
import { startServer, type TestServer } from '../../support/server.ts'

const VALUE = 'never-to-be-seen-4711'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_API_KEY: 'a-key-for-these-tests' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const put = (name: string, body: unknown) =>
  server.fetch(`/api/secrets/${name}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
const list = async () => SecretList.parse(await (await server.fetch('/api/secrets')).json()).secrets

it('are put, replaced, listed by name and deleted; no answer and no line of the log has a value', async () => {
  const first = await put('SERVICE-KEY', { value: VALUE })
  const again = await put('SERVICE-KEY', { value: `${VALUE}!` })
  await put('Another', { value: VALUE })
  const texts = [await first.text(), await again.text(), await (await server.fetch('/api/secrets')).text()]
  expect([first.status, again.status]).toEqual([201, 200])
  expect(SecretPut.parse(JSON.parse(texts[1] ?? '')).secret).toEqual((await list())[1])
  expect((await list()).map(({ name }) => name)).toEqual(['Another', 'SERVICE-KEY'])
  expect((await server.fetch('/api/secrets/Another', { method: 'DELETE' })).status).toBe(200)
  expect((await server.fetch('/api/secrets/Another', { method: 'DELETE' })).status).toBe(404)
  expect((await list()).map(({ name }) => name)).toEqual(['SERVICE-KEY'])
  for (const text of [...texts, server.output]) expect(text).not.toContain('never-to-be-seen')
})

it.each([
  ['a.b', { value: VALUE }, 'name'],
  ['x'.repeat(65), { value: VALUE }, 'name'],
  ['KEY', {}, 'value'],
  ['KEY', { value: 'short' }, 'value'],
  ['KEY', { value: 'x'.repeat(8_193) }, 'value'],
  ['KEY', { value: 'with\0a NUL in it' }, 'value'],
  ['KEY', { value: VALUE, valeu: 1 }, 'valeu'],
])('refuses %s with %j, naming the field', async (name, body, field) => {
  const answer = await put(name, body)
  const text = await answer.text()
  expect([answer.status, JSON.parse(text)]).toEqual([400, expect.objectContaining({ field })])
  expect(text).not.toContain('never-to-be-seen')
})
