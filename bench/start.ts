/**
 * Measures how long a start takes, and the memory that an idle server holds, beside a bare Hono server (`parts/start-bare.js`) in the same
 * run. Each server that was measured then runs a batch, so that none is measured that could not work.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { median, quantile, shown } from './parts/report.ts'

const ROUNDS = 11
const BARE = join(import.meta.dirname, 'parts', 'start-bare.js')
const MILLRACE = join(import.meta.dirname, '..', 'scripts', 'start.js')
const ITEMS = 50
/** Memory has settled when it has changed by less than 1 % over this time. */
const SETTLED_MS = 1_500

/** A start as it was measured: milliseconds from spawn, and bytes. */
interface Start {
  readonly healthyMs: number
  /** Until a batch was accepted; null for the bare server. */
  readonly acceptedMs: number | null
  readonly idleBytes: number
}

class Started {
  readonly #child: ChildProcess
  readonly #began = performance.now()
  #url = ''

  constructor(script: string, env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [script], {
      env: { PATH: process.env.PATH, LOG_LEVEL: 'error', PORT: '0', HOST: '127.0.0.1', MILLRACE_AUTH: 'open', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }

  /** Waits for the first answer of `/healthz`. @returns milliseconds since the spawn */
  async healthy(): Promise<number> {
    let said = ''
    for await (const text of this.#child.stdout?.setEncoding('utf8').iterator({ destroyOnReturn: false }) ?? []) {
      said += text
      this.#url = /listens on (\S+)\n/.exec(said)?.[1] ?? ''
      if (this.#url !== '') break
    }
    if (this.#url === '') throw new Error(`A server did not start: ${said}`)
    // Not fetch, which would be as slow as the server at its first use.
    const [response] = await once(get(`${this.#url}/healthz`), 'response')
    const ms = performance.now() - this.#began
    let body = ''
    for await (const text of response.setEncoding('utf8')) body += text
    if (response.statusCode !== 200 || !body.includes('ok')) throw new Error(`/healthz answered ${body}`)
    return ms
  }

  /** Waits until the memory it holds has settled. @returns bytes, of all of it and of processes it started */
  async idleBytes(): Promise<number> {
    for (let before = await this.#residentBytes(); ; ) {
      await sleep(SETTLED_MS)
      const now = await this.#residentBytes()
      if (Math.abs(now - before) < before / 100) return now
      before = now
    }
  }

  async #residentBytes(): Promise<number> {
    const pid = this.#child.pid
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    const pids = [String(pid), ...children.trim().split(' ').filter(Boolean)]
    const all = await Promise.all(pids.map((one) => readFile(`/proc/${one}/status`, 'utf8')))
    return all.reduce((sum, status) => sum + Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024, 0)
  }

  /** Creates a batch. @returns its id, and milliseconds since the spawn until it was accepted */
  async submit(): Promise<{ batchId: string; acceptedMs: number }> {
    const items = Array.from({ length: ITEMS }, (_, value) => ({ value }))
    const answer = await this.#json('/api/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ operation: 'echo', items }),
    })
    const { batchId } = answer
    if (typeof batchId !== 'string') throw new Error(`No batch was made: ${JSON.stringify(answer)}`)
    return { batchId, acceptedMs: performance.now() - this.#began }
  }

  /** Waits for the end of a batch, all of whose jobs must have completed. */
  async completes(batchId: string): Promise<void> {
    for (;;) {
      const { batch } = await this.#json(`/api/batch/${batchId}`)
      const { status, completedJobs } = Object(batch)
      if (status === 'completed' && completedJobs === ITEMS) return
      if (status !== 'pending' && status !== 'processing') throw new Error(`The batch ended as ${String(status)}.`)
      await sleep(20)
    }
  }

  async #json(path: string, init?: RequestInit): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.#url}${path}`, init)
    return Object.fromEntries(Object.entries(Object(await response.json())))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM')
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }
}

async function startBare(): Promise<Start> {
  await using server = new Started(BARE, {})
  return { healthyMs: await server.healthy(), acceptedMs: null, idleBytes: await server.idleBytes() }
}

async function startMillrace(dataDir: string): Promise<Start> {
  await using server = new Started(MILLRACE, { DATA_DIR: dataDir })
  const healthyMs = await server.healthy()
  const idleBytes = await server.idleBytes()
  const { batchId } = await server.submit()
  await server.completes(batchId)
  return { healthyMs, acceptedMs: await firstBatch(dataDir), idleBytes }
}

/** Starts another, which is asked for work at once. @returns milliseconds from spawn to a batch that is accepted */
async function firstBatch(dataDir: string): Promise<number> {
  await using server = new Started(MILLRACE, { DATA_DIR: dataDir })
  await server.healthy()
  const { batchId, acceptedMs } = await server.submit()
  await server.completes(batchId)
  return acceptedMs
}

/** Runs the bench; some 2 minutes. @returns a section of Markdown */
export async function run(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-start-'))
  const bare: Start[] = []
  const ours: Start[] = []
  try {
    // Makes the build where there is none, and the tables.
    await startMillrace(dataDir)
    for (let round = 0; round < ROUNDS; round++) {
      bare.push(await startBare())
      ours.push(await startMillrace(dataDir))
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
  return report(bare, ours)
}

function report(bare: readonly Start[], ours: readonly Start[]): string {
  const row = (label: string, of: (start: Start) => number, unit: string) => {
    const [a, b] = [bare, ours].map((starts) => starts.map(of))
    if (a === undefined || b === undefined) throw new Error('Both were measured.')
    const spread = (values: number[]) =>
      `${shown(median(values))} ${unit} (${shown(quantile(values, 0.1))} to ${shown(quantile(values, 0.9))})`
    return `| ${label} | ${spread(a)} | ${spread(b)} | ${(median(b) / median(a)).toFixed(2)} × |`
  }
  const accepted = median(ours.map(({ acceptedMs }) => acceptedMs ?? Number.NaN))
  return `## Start

Millrace as \`npm start\` runs it, on a data folder that it has used before, beside a bare Hono server with one route, in turn, ${ROUNDS} times each:
the median, and from the 10th to the 90th percentile. After it was measured each Millrace ran a batch of ${ITEMS} jobs to its end.

| | bare Hono | Millrace | |
| --- | --- | --- | --- |
${row('from spawn to the first answer of `/healthz`', ({ healthyMs }) => healthyMs, 'ms')}
${row('resident memory, idle', ({ idleBytes }) => idleBytes / 2 ** 20, 'MB')}

Goals: at most 1.5 × and 1.8 ×. \`/healthz\` says that the process answers: it listens first and loads the rest while it does. A batch that is sent at
once is accepted ${shown(accepted)} ms after the spawn.`
}
