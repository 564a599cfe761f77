/** Cards for the benchmarks, a server of ours that takes them, and checks of what its database holds. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { TaskAccepted } from '../../src/features/cards/schemas.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const MIGRATIONS = join(ROOT, 'drizzle')
/** Between two looks at a task. */
const POLL_MS = 20

/** A status answer, of either server. */
export const Status = z.object({
  status: z.string(),
  result: z.looseObject({}).optional(),
  error: z.string().optional(),
})

/** Four in five are published. */
export function card(number: number) {
  return {
    title: `How to Build Momentum ${number}`,
    body: `${'The key to building momentum is to begin before you are ready. '.repeat(4)}${number}`,
    category: 'BUSINESS',
    privacy_level: number % 5 === 0 ? 'PERSONAL' : 'BUSINESS',
    tags: ['business', 'growth'],
    source_platform: 'twitter',
    source_url: `https://twitter.com/user/status/${number}`,
    metadata: {},
  }
}

/** Cards numbered from `from`. */
export const cardsOf = (count: number, from = 0) => Array.from({ length: count }, (_, number) => card(from + number))

/** NDJSON made as it is sent. */
export function ndjson(count: number, category = 'BUSINESS'): ReadableStream<Uint8Array> {
  const utf8 = new TextEncoder()
  let at = 0
  return new ReadableStream({
    pull(controller) {
      const lines = Array.from(
        { length: Math.min(1_000, count - at) },
        () => `${JSON.stringify({ ...card(at++), category })}\n`,
      )
      controller.enqueue(utf8.encode(lines.join('')))
      if (at === count) controller.close()
    },
  })
}

/** A server of ours on a folder of its own. */
export class Server {
  readonly #child: ChildProcess
  readonly #exit: Promise<unknown>
  readonly url: string
  readonly folder: string

  constructor(child: ChildProcess, url: string, folder: string) {
    this.#child = child
    this.#exit = once(child, 'exit')
    this.url = url
    this.folder = folder
  }

  static async start(folder: string): Promise<Server> {
    const child = spawn(process.execPath, [join(ROOT, 'scripts', 'start.js')], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, LOG_LEVEL: 'error', PORT: '0', DATA_DIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return new Server(child, await addressOf(child), folder)
  }

  /** Begins to measure the peak anew; see proc(5), `clear_refs`. */
  async resetPeak(): Promise<void> {
    await writeFile(`/proc/${this.#child.pid}/clear_refs`, '5')
  }

  /** Most memory it held so far, or since `resetPeak`, in bytes. */
  async peak(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8')
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
  }

  /** Begins a task and waits for its end. */
  async run(
    path: string,
    type: string,
    body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  ): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.url}${path}`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': type },
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    })
    const { task_id } = TaskAccepted.parse(await response.json())
    for (;;) {
      const status = Status.parse(await (await fetch(`${this.url}/bulk/status/${task_id}`)).json())
      if (status.status === 'SUCCESS') return status.result ?? {}
      if (status.status === 'FAILURE') throw new Error(status.error)
      await pause(POLL_MS)
    }
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exit
  }
}

/** The address a server prints when it listens. */
export function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout?.on('data', (piece: Buffer) => {
      said += piece.toString()
      const url = /(http:\/\/\S+)\n/.exec(said)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.once('exit', () => reject(new Error(`The server did not start: ${said}`)))
  })
}

/** Runs with a folder that is removed afterwards. */
export async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    return await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export async function seconds(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await run()
  return (performance.now() - began) / 1_000
}

/** @throws Error when they differ */
export function check(what: string, found: unknown, expected: unknown): void {
  if (String(found) !== String(expected)) throw new Error(`${what}: expected ${expected}, found ${found}`)
}

export const open = (folder: string) =>
  openLibsql(pathToFileURL(join(folder, 'millrace.db')).href, { migrations: MIGRATIONS })

/** Cards, ledger and balance. */
export async function checkRows(folder: string, cards: number): Promise<void> {
  const { db, close } = await open(folder)
  const [row] = await db.all<{ cards: number; paid: number; balance: number }>(sql`
    SELECT (SELECT count(*) FROM cards) AS cards, (SELECT count(*) FROM token_ledger) AS paid, (SELECT balance FROM card_accounts) / 100000000 AS balance`)
  close()
  check('cards', row?.cards, cards)
  check('ledger', row?.paid, (cards / 5) * 4)
  check('balance', row?.balance, (cards / 5) * 4)
}
