/** What an operator sees of a real server: its log and its metrics. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { BatchAccepted } from '../../src/wire/native.ts'
import { until } from '../engine/rig.ts'
import { Follower } from './follow.ts'
import { startServer } from './harness.ts'

const Line = z.looseObject({ msg: z.string(), requestId: z.string().optional(), path: z.string().optional() })

it('logs a line a request, with the id the answer carries and no secret', async () => {
  await using server = await startServer({ env: { MILLRACE_API_KEY: 'secret-key-of-this-test' } })
  const response = await server.fetch('/api/batch/none?token=secret-token', {
    headers: { Authorization: 'Bearer secret-key-of-this-test' },
  })
  expect(response.status).toBe(404)
  // The line comes through a pipe of its own, so it may arrive after the answer.
  const line = await until(async () =>
    server.output
      .split('\n')
      .slice(0, -1)
      .filter((text) => text.startsWith('{'))
      .map((text) => Line.parse(JSON.parse(text)))
      .find(({ requestId }) => requestId === response.headers.get('X-Request-Id')),
  )
  expect(line).toMatchObject({ msg: 'request', method: 'GET', path: '/api/batch/none', status: 404, owner: 'local' })
  expect(server.output).not.toContain('secret-')
})

it('counts what its worker did, and what waits', async () => {
  await using server = await startServer()
  const created = await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ operation: 'echo', items: [{}, {}, { error: 'x' }] }),
  })
  const { batchId } = BatchAccepted.parse(await created.json())
  const follower = new Follower(`${server.url}/api/batch/${batchId}/stream`)
  await follower.completed()
  follower.close()
  const response = await server.fetch('/metrics')
  expect(response.headers.get('Content-Type')).toContain('text/plain; version=0.0.4')
  const text = await response.text()
  expect(text).toContain('millrace_jobs{status="ready"} 0\n')
  expect(text).toContain('millrace_workers 1\n')
  expect(text).toContain('millrace_attempt_seconds_count{operation="echo",outcome="completed"} 2\n')
  expect(text).toContain('millrace_attempt_seconds_count{operation="echo",outcome="failed"} 1\n')
})
