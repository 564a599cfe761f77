/** What an operator sees of a real server: its log and its metrics. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { healthRoutes } from '../../src/features/server/health-routes.ts'
import { quietLog, until } from '../support/fixture.ts'
import { Follower } from '../support/follow.ts'
import { openPlatform } from '../support/platform.ts'
import { startServer } from '../support/server.ts'

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

/** What Prometheus makes of a text in its exposition format 0.0.4, as strictly as `promtool check metrics`: samples by family. */
function families(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const types = new Map<string, string>()
  const samples = new Set<string>()
  expect(text.endsWith('\n')).toBe(true)
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-z_]+) \S.*$/.exec(line)?.[1]
    const [, typed, type = ''] = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line) ?? []
    if (help !== undefined) {
      expect(found.has(help), `${help} is told of once`).toBe(false)
      found.set(help, [])
    } else if (typed !== undefined) {
      expect(found.get(typed), `${typed} has its HELP before its TYPE, and both before its samples`).toEqual([])
      types.set(typed, type)
    } else {
      const label = String.raw`[a-z_]+="(?:[^"\\\n]|\\["\\n])*"`
      const sample = new RegExp(
        `^([a-z_]+?)(_bucket|_sum|_count)?((?:\\{${label}(?:,${label})*\\})?) (-?[0-9.]+(?:e[+-]?[0-9]+)?)$`,
      ).exec(line)
      const [, name = '', suffix = '', labels = ''] = sample ?? []
      expect(types.has(name), `"${line}" is a sample of a family told of before`).toBe(true)
      expect([name, suffix !== '']).toEqual([name, types.get(name) === 'histogram'])
      expect([name, suffix === '_bucket']).toEqual([name, labels.includes('le="')])
      expect(samples.has(name + suffix + labels), `"${line}" comes once`).toBe(false)
      samples.add(name + suffix + labels)
      found.get(name)?.push(line)
    }
  }
  return found
}

it('gives metrics that Prometheus takes: the queue, durations and errors an operation, workers, watchers', async () => {
  await using server = await startServer()
  const created = await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ operation: 'echo', items: [{ waitMs: 60_000 }, { error: 'a "quoted"\nerror' }] }),
  })
  const { batchId } = BatchAccepted.parse(await created.json())
  const follower = new Follower(`${server.url}/api/batch/${batchId}/stream`)
  const all = await until(async () => {
    const read = families(await (await server.fetch('/metrics')).text())
    const attempts = read.get('millrace_attempt_seconds') ?? []
    return attempts.length > 0 && read.get('millrace_watched')?.[0]?.endsWith(' 1') ? read : null
  })
  expect([...all.keys()]).toEqual(
    expect.arrayContaining([
      'millrace_jobs',
      'millrace_workers',
      'millrace_streams',
      'millrace_watched',
      'millrace_attempt_seconds',
    ]),
  )
  const figures = (all.get('millrace_attempt_seconds') ?? []).map((line) => Number(line.split(' ')[1]))
  const buckets = figures.slice(0, -2)
  expect(buckets, 'each bucket holds those before it, and the last counts all').toEqual(
    buckets.toSorted((a, b) => a - b),
  )
  expect([buckets.at(-1), figures.at(-1)]).toEqual([1, 1])
  expect(all.get('millrace_jobs')).toContain('millrace_jobs{status="running"} 1')
  expect(all.get('millrace_streams')).toEqual(['millrace_streams 1'])
  follower.close()
})

it('does not give them to whoever has no key where keys are asked for', async () => {
  await using server = await startServer({ env: { MILLRACE_AUTH: 'keys' } })
  expect((await server.fetch('/metrics')).status).toBe(401)
  expect((await server.fetch('/healthz')).status).toBe(200)
})

it('says that it is not ready while its database takes no writes, and is again afterwards', async () => {
  await using server = await startServer()
  expect(await (await server.fetch('/readyz')).json()).toEqual({ status: 'ready' })
  const holder = spawn(process.execPath, [
    join(import.meta.dirname, '..', 'crash', 'lock-holder.ts'),
    join(server.dataDir, 'millrace.db'),
    '60000',
  ])
  await once(holder.stdout, 'data')
  const response = await server.fetch('/readyz')
  expect([response.status, await response.json()]).toEqual([
    503,
    { status: 'unavailable', database: expect.stringMatching(/answer/) },
  ])
  expect((await server.fetch('/healthz')).status).toBe(200)
  holder.kill('SIGKILL')
  await once(holder, 'close')
  await until(async () => ((await server.fetch('/readyz')).status === 200 ? true : null), 20_000)
})

it('says that it is not ready when its database is gone', async () => {
  const platform = await openPlatform()
  const app = healthRoutes({ db: platform.db, log: quietLog() })
  expect((await app.request('/readyz')).status).toBe(200)
  await platform.close()
  const response = await app.request('/readyz')
  expect([response.status, await response.json()]).toEqual([
    503,
    { status: 'unavailable', database: 'does not answer' },
  ])
})
