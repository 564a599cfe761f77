/**
 * Cards over HTTP: imports beside the raw insert of the same rows and beside a FastAPI and SQLAlchemy server that commits every 100 cards,
 * exports beside a bare loop over the same client, and the memory an export takes. Every run is checked by what the database holds.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { openLibsql } from '../src/drivers/db-libsql.ts'
import { cardId } from '../src/operations/cards/card.ts'
import { importStatements } from '../src/operations/cards/import-rows.ts'
import type { Statement } from '../src/ports.ts'
import { NewCard, TaskAccepted } from '../src/wire/cards.ts'
import { median, shown } from './parts/report.ts'

const ROOT = join(import.meta.dirname, '..')
const MIGRATIONS = join(ROOT, 'drizzle')
const ROUNDS = 3
const JSON_CARDS = 10_000
const STREAMED_CARDS = 100_000
/** For the memory of an export. */
const FEW = 1_000
const MANY = 1_000_000

const Status = z.object({ status: z.string(), result: z.looseObject({}).optional(), error: z.string().optional() })

function card(number: number) {
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

const cardsOf = (count: number) => Array.from({ length: count }, (_, number) => card(number))

/** NDJSON made as it is sent. */
function ndjson(count: number): ReadableStream<Uint8Array> {
  const utf8 = new TextEncoder()
  let at = 0
  return new ReadableStream({
    pull(controller) {
      const lines = Array.from({ length: Math.min(1_000, count - at) }, () => `${JSON.stringify(card(at++))}\n`)
      controller.enqueue(utf8.encode(lines.join('')))
      if (at === count) controller.close()
    },
  })
}

/** A server of ours on a folder of its own. */
class Server {
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
    const child = spawn(process.execPath, [join(ROOT, 'src', 'node.ts')], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, LOG_LEVEL: 'error', PORT: '0', DATA_DIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return new Server(child, await addressOf(child), folder)
  }

  /** Most memory it held so far, in bytes. */
  async peak(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8')
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
  }

  /** Begins a task and waits for its end. */
  async run(path: string, type: string, body: string | ReadableStream<Uint8Array>): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.url}${path}`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': type },
      ...(typeof body === 'string' ? {} : { duplex: 'half' }),
    })
    const { task_id } = TaskAccepted.parse(await response.json())
    for (;;) {
      const status = Status.parse(await (await fetch(`${this.url}/bulk/status/${task_id}`)).json())
      if (status.status === 'SUCCESS') return status.result ?? {}
      if (status.status === 'FAILURE') throw new Error(status.error)
      await pause(20)
    }
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exit
  }
}

function addressOf(child: ChildProcess): Promise<string> {
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

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    return await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function seconds(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await run()
  return (performance.now() - began) / 1_000
}

function check(what: string, found: unknown, expected: unknown): void {
  if (String(found) !== String(expected)) throw new Error(`${what}: expected ${expected}, found ${found}`)
}

const open = (folder: string) => openLibsql(pathToFileURL(join(folder, 'millrace.db')).href, { migrations: MIGRATIONS })

async function checkRows(folder: string, cards: number): Promise<void> {
  const { db, close } = await open(folder)
  const [row] = await db.all<{ cards: number; paid: number; balance: number }>(sql`
    SELECT (SELECT count(*) FROM cards) AS cards, (SELECT count(*) FROM token_ledger) AS paid, (SELECT balance FROM card_accounts) / 100000000 AS balance`)
  close()
  check('cards', row?.cards, cards)
  check('ledger', row?.paid, (cards / 5) * 4)
  check('balance', row?.balance, (cards / 5) * 4)
}

/** Cards a second, from the request to the answer that says SUCCESS. */
function importHttp(cards: number): Promise<number> {
  return inFolder(async (folder) => {
    const server = await Server.start(folder)
    try {
      const time =
        cards === JSON_CARDS
          ? await seconds(() =>
              server.run('/bulk/import', 'application/json', JSON.stringify({ cards: cardsOf(cards) })),
            )
          : await seconds(() => server.run('/bulk/import', 'application/x-ndjson', ndjson(cards)))
      await server.end()
      await checkRows(folder, cards)
      return cards / time
    } finally {
      await server.end()
    }
  })
}

/**
 * The same rows (cards, ledger, sums) by the same statements and client, 500 cards a commit, with nothing else: rows and hashes are made
 * beforehand, nothing is checked.
 */
function importRaw(cards: number): Promise<number> {
  return inFolder(async (folder) => {
    const { db, close } = await open(folder)
    const batchId = '01a1fe16-782b-7336-83b0-f701eca0ae1c'
    const rows = cardsOf(cards).map((one, index) => ({
      index,
      id: cardId(batchId, index),
      hash: btoa(String(index).padStart(16, 'h')).slice(0, 22),
      slug: one.privacy_level === 'BUSINESS' ? `how-to-build-momentum-${index}-abcdefghij` : null,
      card: NewCard.parse(one),
    }))
    const slices = Array.from({ length: cards / 500 }, (_, sequence) =>
      rows.slice(sequence * 500, sequence * 500 + 500),
    )
    const base = { owner: 'local', batchId, now: Date.now(), onDuplicate: null, repeated: 0, failed: 0, errors: [] }
    const time = await seconds(async () => {
      for (const [sequence, slice] of slices.entries()) {
        const [first, ...rest] = importStatements(db, { ...base, sequence, rows: slice }, sql<boolean>`true`)
        if (first !== undefined) await db.batch<Statement, [Statement, ...Statement[]]>([first, ...rest])
      }
    })
    close()
    await checkRows(folder, cards)
    return cards / time
  })
}

/** FastAPI and SQLAlchemy on SQLite, as Debian packages them; null where they are not installed. */
async function importPython(cards: number, mode: 'flush' | 'together'): Promise<number | null> {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import fastapi, sqlalchemy, uvicorn'], { stdio: 'ignore' })
  } catch {
    return null
  }
  return inFolder(async (folder) => {
    const child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'parts', 'cards-fastapi.py'), folder, mode], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    try {
      const url = await addressOf(child)
      const body = JSON.stringify({ cards: cardsOf(cards) })
      let imported: unknown
      const time = await seconds(async () => {
        const headers = { 'Content-Type': 'application/json' }
        const accepted = await fetch(`${url}/bulk/import`, { method: 'POST', body, headers })
        const { task_id } = z.object({ task_id: z.string() }).parse(await accepted.json())
        for (;;) {
          const status = Status.parse(await (await fetch(`${url}/bulk/status/${task_id}`)).json())
          imported = status.result?.cards_imported
          if (status.status === 'SUCCESS') return
          await pause(20)
        }
      })
      check('cards of the Python server', imported, cards)
      return cards / time
    } finally {
      child.kill('SIGKILL')
    }
  })
}

const FORMATS = ['json', 'csv'] as const

/** Cards a second of an export over HTTP, the file written; and of a bare loop that reads and writes the same. */
async function exports(folder: string, server: Server, format: (typeof FORMATS)[number]) {
  const http: number[] = []
  const bare: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const time = await seconds(async () => {
      const result = await server.run(
        '/bulk/export',
        'application/json',
        JSON.stringify({ format, include_metadata: false }),
      )
      check('cards exported', result.cards_exported, STREAMED_CARDS)
    })
    http.push(STREAMED_CARDS / time)
    bare.push(STREAMED_CARDS / (await seconds(() => bareExport(folder, format))))
  }
  return { http: median(http), bare: median(bare) }
}

const COLUMNS = `id, title, body, category, privacy_level, tags, source_platform, source_url, slug, created_at, published_at`

/** What one would write by hand: pages by key, a row an object, a text a row, a file. */
async function bareExport(folder: string, format: (typeof FORMATS)[number]): Promise<void> {
  const { db, close } = await open(folder)
  const file = createWriteStream(join(folder, `bare.${format}`))
  let written = 0
  for (let after = ''; ; ) {
    const rows = await db.all<Record<string, string | number | null>>(sql`
      SELECT ${sql.raw(COLUMNS)} FROM cards WHERE owner = 'local' AND id > ${after} AND deleted_at IS NULL ORDER BY id LIMIT 1000`)
    const last = rows.at(-1)
    if (last === undefined) break
    after = String(last.id)
    const text = rows.map((row) => (format === 'json' ? bareJson(row) : bareCsv(row)))
    written += rows.length
    if (!file.write(text.join(''))) await once(file, 'drain')
  }
  file.end()
  await finished(file)
  close()
  check('cards of the bare loop', written, STREAMED_CARDS)
}

const time = (ms: unknown) => (ms === null ? null : new Date(Number(ms)).toISOString())
const url = (slug: unknown) => (slug === null ? null : `http://127.0.0.1/cards/${slug}`)

function bareJson({ slug, tags, created_at, published_at, ...row }: Record<string, string | number | null>): string {
  return `${JSON.stringify({
    ...row,
    tags: JSON.parse(String(tags)),
    is_published: published_at !== null,
    published_url: url(slug),
    created_at: time(created_at),
    published_at: time(published_at),
  })},\n`
}

function bareCsv({ slug, tags, created_at, published_at, ...row }: Record<string, string | number | null>): string {
  const list: string[] = JSON.parse(String(tags))
  const fields = [
    ...Object.values(row),
    list.join(','),
    published_at === null ? 'no' : 'yes',
    url(slug),
    time(created_at),
    time(published_at),
  ]
  return `${fields
    .map((field) => {
      const text = field === null ? '' : String(field)
      const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
      return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
    })
    .join(',')}\r\n`
}

/** Cards a second of SQLite's own shell; null where it is not installed. */
async function shell(folder: string, mode: '-json' | '-csv'): Promise<number | null> {
  const query = `SELECT ${COLUMNS} FROM cards WHERE owner = 'local' ORDER BY id`
  try {
    const spent = await seconds(async () => {
      execFileSync('sqlite3', [mode, join(folder, 'millrace.db'), `.output ${join(folder, 'shell.out')}`, query])
    })
    return STREAMED_CARDS / spent
  } catch {
    return null
  }
}

/** By how much an export of many cards raises the peak of memory over one of few, in bytes. */
function memory(): Promise<{ few: number; many: number }> {
  return inFolder(async (folder) => {
    const peakOf = async (cards: number) => {
      const server = await Server.start(folder)
      try {
        const result = await server.run('/bulk/export', 'application/json', '{"format":"csv"}')
        check('cards exported', result.cards_exported, cards)
        return await server.peak()
      } finally {
        await server.end()
      }
    }
    const fill = async (cards: number) => {
      const server = await Server.start(folder)
      await server.run('/bulk/import', 'application/x-ndjson', ndjson(cards))
      await server.end()
    }
    await fill(FEW)
    const few = await peakOf(FEW)
    await fill(MANY - FEW)
    return { few, many: await peakOf(MANY) }
  })
}

const MB = 1024 * 1024
const ratio = (a: number, b: number) => (a / b).toFixed(2)

/** Runs the comparisons, each round with every contestant. */
export async function run(): Promise<string> {
  const lines: string[] = []
  for (const cards of [JSON_CARDS, STREAMED_CARDS]) {
    const http: number[] = []
    const raw: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      http.push(await importHttp(cards))
      raw.push(await importRaw(cards))
    }
    const cells = [shown(cards), shown(median(http)), shown(median(raw)), ratio(median(http), median(raw))]
    for (const mode of ['flush', 'together'] as const) {
      const python = cards === JSON_CARDS ? await importPython(cards, mode) : null
      cells.push(python === null ? '–' : `${shown(python)} (${ratio(median(http), python)} times)`)
    }
    lines.push(`| ${cells.join(' | ')} |`)
  }
  const { few, many } = await memory()
  return `## Cards

Imports over HTTP, from the request to the answer that says \`SUCCESS\` (${shown(JSON_CARDS)} as JSON, ${shown(STREAMED_CARDS)} as NDJSON), beside the same rows inserted by the
same statements in commits of 500 without HTTP, validation, hashing or jobs, and beside FastAPI with SQLAlchemy on SQLite committing every
100 cards: flushing each card by itself, as it must for one that the database refuses to fail alone, and all hundred together. Cards a second,
median of ${ROUNDS}; cards, ledger and balance were counted afterwards.

| cards | Millrace | raw insert | ratio | FastAPI, a flush a card | FastAPI, together |
| ---: | ---: | ---: | ---: | ---: | ---: |
${lines.join('\n')}

${await exportTable()}

Peak memory of a server that exports ${shown(FEW)} cards: ${shown(few / MB)} MB; ${shown(MANY)} cards: ${shown(many / MB)} MB.`
}

function exportTable(): Promise<string> {
  return inFolder(async (folder) => {
    const server = await Server.start(folder)
    try {
      await server.run('/bulk/import', 'application/x-ndjson', ndjson(STREAMED_CARDS))
      const rows: string[] = []
      for (const format of FORMATS) {
        const { http, bare } = await exports(folder, server, format)
        const own = await shell(folder, `-${format}`)
        rows.push(
          `| ${format} | ${shown(http)} | ${shown(bare)} | ${ratio(http, bare)} | ${own === null ? '–' : shown(own)} |`,
        )
      }
      return `Exports of ${shown(STREAMED_CARDS)} cards, from the request to \`SUCCESS\` with the file flushed to disk, beside a loop over the same client that reads pages by key and
writes the same fields to a file, and beside \`sqlite3 -json\` and \`-csv\`, which write the columns as they are. Cards a second.

| format | Millrace | bare loop | ratio | sqlite3 |
| --- | ---: | ---: | ---: | ---: |
${rows.join('\n')}`
    } finally {
      await server.end()
    }
  })
}
