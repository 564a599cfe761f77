/** Measures the cost of reads in batches: one request for 100 ids beside 100 requests and beside a bare handler; recommendations as data grows. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'

const ROOT = join(import.meta.dirname, '..')
const ROUNDS = 60

const Created = z.object({ activities: z.array(z.object({ id: z.string() })) })
const Counted = z.object({ total_succeeded: z.int() })
const Recommended = z.object({
  results: z.array(z.object({ data: z.object({ recommendations: z.array(z.unknown()) }) })),
})

/** A server that answers JSON over one kept connection. */
class Target {
  readonly #child: ChildProcess
  readonly #url: string
  readonly #key: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(child: ChildProcess, url: string, key: string) {
    this.#child = child
    this.#url = url
    this.#key = key
  }

  send(method: string, path: string, body?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${this.#key}` }
      const sent = request(new URL(path, this.#url), { method, headers, agent: this.#agent }, (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString()
          if (response.statusCode !== undefined && response.statusCode < 300) resolve(JSON.parse(text))
          else reject(new Error(`${method} ${path} answered ${response.statusCode}: ${text.slice(0, 300)}`))
        })
      })
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  async end(): Promise<void> {
    this.#agent.destroy()
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

async function start(script: string, key: string, env: Record<string, string>): Promise<Target> {
  const child = spawn(process.execPath, [join(ROOT, script)], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, LOG_LEVEL: 'error', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  for await (const text of child.stdout.setEncoding('utf8')) {
    said += text
    const url = /listens on (\S+)\n/.exec(said)?.[1]
    if (url !== undefined) return new Target(child, url, key)
  }
  throw new Error(`${script} did not start: ${said}`)
}

async function makeKey(dataDir: string): Promise<string> {
  const env = { PATH: process.env.PATH, DATA_DIR: dataDir }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(ROOT, 'scripts/start.js'), 'keys', 'create', 'bench'],
    { env },
  )
  const key = /mr_\S+/.exec(stdout)?.[0]
  if (key === undefined) throw new Error(`No key was made: ${stdout}`)
  return key
}

/** Milliseconds, sorted. */
async function times(rounds: number, run: () => Promise<void>): Promise<number[]> {
  const taken: number[] = []
  for (let round = 0; round < rounds; round++) {
    const from = performance.now()
    await run()
    taken.push(performance.now() - from)
  }
  return taken.sort((a, b) => a - b)
}

const at = (sorted: readonly number[], part: number) => sorted[Math.floor(sorted.length * part)] ?? Number.NaN
const median = (taken: readonly number[]) =>
  at(
    [...taken].sort((a, b) => a - b),
    0.5,
  )
const ms = (value: number) => value.toFixed(value < 10 ? 2 : 0)

function check(what: string, seen: number, wanted: number): void {
  if (seen !== wanted) throw new Error(`${what}: ${seen} in place of ${wanted}. The bench did not do its work.`)
}

async function makeActivities(server: Target, count: number): Promise<string[]> {
  const types = ['cognitive', 'motor', 'social', 'language', 'creative', 'sensory']
  const activities = Array.from({ length: count }, (_, i) => ({
    name: `Activity ${i}`,
    description: 'Something to do with the hands, the head or the feet, told in a sentence or two. '.repeat(3),
    activity_type: types[i % types.length],
    materials_needed: ['paper', 'scissors', 'stone'],
    age_range: { min_months: i % 24, max_months: 48 + (i % 60) },
    special_needs_adaptations: i % 2 === 0 ? 'Larger pieces' : null,
  }))
  return Created.parse(await server.send('POST', '/api/v1/activities', { activities })).activities.map(({ id }) => id)
}

async function benchGet(server: Target, bare: Target, ids: readonly string[]): Promise<string> {
  const body = { resource_type: 'activities', ids }
  const one = async (target: Target) =>
    check('ids found', Counted.parse(await target.send('POST', '/api/v1/batch/get', body)).total_succeeded, ids.length)
  const singles = async () => {
    for (const id of ids) await server.send('GET', `/api/v1/activities/${id}`)
  }
  for (let warm = 0; warm < 5; warm++) await singles()
  const batch: number[] = []
  const plain: number[] = []
  const apart: number[] = []
  // By turns, so that what else the machine does weighs on all of them.
  for (let round = 0; round < ROUNDS / 2; round++) {
    apart.push(...(await times(1, singles)))
    for (let turn = 0; turn < 10; turn++) {
      batch.push(...(await times(1, () => one(server))))
      plain.push(...(await times(1, () => one(bare))))
    }
  }
  const b = median(batch)
  const p = median(plain)
  const s = median(apart)
  return [
    '| 100 activities by id, keys checked | p50, ms | |',
    '| --- | ---: | --- |',
    `| one \`POST /api/v1/batch/get\` | ${ms(b)} | |`,
    `| 100 × \`GET /api/v1/activities/:id\`, one kept connection | ${ms(s)} | ${(s / b).toFixed(1)} times |`,
    `| a bare Hono handler running the one query, no keys | ${ms(p)} | the batch takes ${(b / p).toFixed(2)} times that |`,
  ].join('\n')
}

async function benchRecommendations(server: Target, ids: string[]): Promise<string> {
  const children = Array.from({ length: 50 }, (_, i) => `child-${i}`)
  const lines = [
    '| activities | participations | children | p50, ms | p95, ms |',
    '| ---: | ---: | ---: | ---: | ---: |',
  ]
  let participations = 0
  const add = async (until: number) => {
    while (participations < until) {
      const slice = Array.from({ length: 1_000 }, (_, i) => {
        const n = participations + i
        // Spread evenly over all pairs of a child and an activity: the most tallies there can be.
        return {
          child_id: children[n % children.length],
          activity_id: ids[Math.floor(n / children.length) % ids.length],
          participated_at: new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString(),
        }
      })
      await server.send('POST', '/api/v1/participations', { participations: slice })
      participations += slice.length
    }
  }
  const measure = async (count: number) => {
    const body = { child_ids: children.slice(0, count), max_recommendations: 5, child_age_months: 36, weather: 'sunny' }
    const run = async () => {
      const { results } = Recommended.parse(await server.send('POST', '/api/v1/batch/activities/recommendations', body))
      check('recommendations', results.flatMap(({ data }) => data.recommendations).length, 5 * count)
    }
    await times(5, run)
    const taken = await times(ROUNDS, run)
    lines.push(`| ${ids.length} | ${participations} | ${count} | ${ms(at(taken, 0.5))} | ${ms(at(taken, 0.95))} |`)
  }
  for (const total of [0, 10_000, 100_000, 200_000]) {
    await add(total)
    if (total === 100_000) {
      await measure(1)
      await measure(20)
    }
    await measure(50)
  }
  return lines.join('\n')
}

/** Runs the bench on servers of its own; some 40 s. @returns a section of Markdown */
export async function run(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-reads-'))
  const targets: Target[] = []
  try {
    const key = await makeKey(dataDir)
    const server = await start('scripts/start.js', key, { DATA_DIR: dataDir, MILLRACE_AUTH: 'keys' })
    targets.push(server)
    const bare = await start('bench/reads-bare.ts', key, { DATA_DIR: dataDir })
    targets.push(bare)
    const ids = await makeActivities(server, 1_000)
    const got = await benchGet(server, bare, ids.slice(0, 100))
    const recommended = await benchRecommendations(server, ids)
    return `## Batch reads\n\n${got}\n\nRecommendations, five each, of the seed's 450 ms for 20 children:\n\n${recommended}\n`
  } finally {
    for (const target of targets) await target.end()
    await rm(dataDir, { recursive: true, force: true })
  }
}

if (import.meta.main) console.log(await run())
