/** Metrics as a monitor reads them, and the dashboard that shows them. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { createClient } from '../../../src/client/index.ts'
import { VERSION } from '../../../src/version.ts'
import { startServer, type TestServer } from '../../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({})
})
afterAll(() => server[Symbol.asyncDispose]())

const read = async () => (await server.fetch('/metrics')).text()
const sampleOf = (text: string, sample: string) => {
  const line = text.split('\n').find((one) => one.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length + 1))
}

describe('the metrics', () => {
  it('count requests and attempts in buckets by how long they took', async () => {
    const client = createClient({ baseUrl: server.url })
    const { batchId } = await client.create({ operation: 'echo', items: [{ waitMs: 300 }, {}] })
    await client.wait(batchId)
    const text = await read()
    const attempts = 'operation="echo",outcome="completed"'
    expect(text).toContain('# TYPE millrace_attempt_seconds histogram\n')
    expect(sampleOf(text, `millrace_attempt_seconds_bucket{${attempts},le="0.25"}`)).toBe(1)
    expect(sampleOf(text, `millrace_attempt_seconds_bucket{${attempts},le="+Inf"}`)).toBe(2)
    expect(sampleOf(text, `millrace_attempt_seconds_count{${attempts}}`)).toBe(2)
    expect(sampleOf(text, `millrace_attempt_seconds_sum{${attempts}}`)).toBeGreaterThanOrEqual(0.3)
    await server.fetch('/no-such-path')
    const later = await read()
    expect(sampleOf(later, 'millrace_request_seconds_count{method="POST",status="202"}')).toBe(1)
    expect(sampleOf(later, 'millrace_request_seconds_count{method="GET",status="404"}')).toBe(1)
  })

  it('tell how long a ready job has waited, and figures of the process and the database', async () => {
    const client = createClient({ baseUrl: server.url })
    expect(sampleOf(await read(), 'millrace_oldest_ready_job_seconds')).toBe(0)
    const { batchId } = await client.create({ operation: 'echo', items: Array(200).fill({ waitMs: 60_000 }) })
    await expect.poll(async () => sampleOf(await read(), 'millrace_oldest_ready_job_seconds')).toBeGreaterThan(0)
    await client.cancel(batchId)
    const text = await read()
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'process_start_time_seconds',
      'nodejs_heap_size_used_bytes',
      'millrace_database_bytes',
      'millrace_database_read_seconds',
    ]) {
      expect([name, sampleOf(text, name)]).toEqual([name, expect.any(Number)])
      expect(sampleOf(text, name)).toBeGreaterThan(0)
    }
    expect(sampleOf(text, 'nodejs_eventloop_lag_max_seconds')).toBeGreaterThanOrEqual(0)
  })

  it('are those that the dashboard asks for', async () => {
    const Dashboard = z.object({ panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })) })) })
    const dashboard = Dashboard.parse(JSON.parse(await readFile('docs/grafana-dashboard.json', 'utf8')))
    const asked = dashboard.panels
      .flatMap(({ targets }) => targets)
      .flatMap(({ expr }) => expr.match(/\b(?:millrace|process|nodejs)_\w+/g) ?? [])
    const types = new Map([...(await read()).matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]))
    const unknown = asked.filter((name) => {
      const base = name.replace(/_(?:bucket|sum|count)$/, '')
      return base === name ? !types.has(name) : types.get(base) !== 'histogram'
    })
    expect(asked.length).toBeGreaterThan(20)
    expect(unknown).toEqual([])
  })
})

it('one version is in the package, the OpenAPI document and the health of cards', async () => {
  const Package = z.object({ version: z.string() })
  const packaged = Package.parse(JSON.parse(await readFile('package.json', 'utf8'))).version
  const document = z.object({ info: Package }).parse(await (await server.fetch('/openapi.json')).json())
  const health = Package.parse(await (await server.fetch('/bulk/health')).json())
  expect([packaged, document.info.version, health.version]).toEqual(Array(3).fill(VERSION))
})

it('a server that nobody has a key for says at its start how to make one', async () => {
  await using keyless = await startServer({ env: { MILLRACE_AUTH: 'keys' } })
  expect(keyless.output).toContain('npm run keys create OWNER')
  expect(server.output).not.toContain('npm run keys')
  await using keyed = await startServer({ env: { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: 'a-key-of-this-test' } })
  expect(keyed.output).not.toContain('npm run keys')
})
