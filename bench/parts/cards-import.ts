/** Imports of cards: over HTTP, as bare inserts of the same rows, and by a server made of FastAPI and SQLAlchemy. Cards a second. */
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Connection from 'libsql'
import { z } from 'zod'
import { cardId, slugMaker } from '../../src/features/cards/card.ts'
import { addressOf, cardsOf, check, checkRows, inFolder, open, Server, Status, seconds } from './cards-server.ts'

/** Every contestant imports so many cards before it is measured: none is measured while its code is still cold. */
const WARM_UP = 5_000

const utf8 = new TextEncoder()

/** From the request to the answer that says SUCCESS. */
export function importHttp(count: number, form: 'json' | 'ndjson'): Promise<number> {
  const body = (cards: readonly object[]) =>
    utf8.encode(form === 'json' ? JSON.stringify({ cards }) : cards.map((one) => `${JSON.stringify(one)}\n`).join(''))
  return inFolder(async (folder) => {
    const server = await Server.start(folder)
    try {
      const send = (bytes: Uint8Array<ArrayBuffer>) =>
        server.run('/bulk/import', `application/${form === 'json' ? form : 'x-ndjson'}`, bytes)
      const sent = body(cardsOf(count, WARM_UP))
      await send(body(cardsOf(WARM_UP)))
      const time = await seconds(() => send(sent))
      await server.end()
      await checkRows(folder, WARM_UP + count)
      return count / time
    } finally {
      await server.end()
    }
  })
}

const BATCH = '01a1fe16-782b-7336-83b0-f701eca0ae1c'
const slug = slugMaker(BATCH)

/** The values of a row, in the order of the columns below, and what is paid for it. */
function rowOf(one: ReturnType<typeof cardsOf>[number], index: number, now: number) {
  const id = cardId(BATCH, index)
  const hash = createHash('sha256').update(`${one.title}\0${one.body}`).digest('base64').slice(0, 22)
  const published = one.privacy_level === 'BUSINESS'
  const texts = [
    one.title,
    one.body,
    one.category,
    one.privacy_level,
    JSON.stringify(one.tags),
    one.source_platform,
    one.source_url,
  ]
  const rest = [
    JSON.stringify(one.metadata),
    published ? slug(one.title, index) : null,
    published ? now : null,
    now,
    now,
  ]
  return {
    card: ['local', id, hash, ...texts, ...rest],
    paid: published ? ['local', id, BATCH, 1, 100_000_000, now] : null,
  }
}

/**
 * The same rows (cards, ledger, balance) in the same schema with the same settings, by prepared statements in one transaction of the same
 * library: made beforehand, with their hashes and slugs, and nothing is checked.
 */
export function importRaw(count: number): Promise<number> {
  return inFolder(async (folder) => {
    ;(await open(folder)).close()
    const db = new Connection(join(folder, 'millrace.db'))
    db.exec('PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY')
    const now = Date.now()
    const rows = cardsOf(WARM_UP + count).map((one, index) => rowOf(one, index, now))
    const columns =
      'owner, id, hash, title, body, category, privacy_level, tags, source_platform, source_url, metadata, slug, published_at, created_at, updated_at'
    const insert = db.prepare(`INSERT INTO cards (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
    const pay = db.prepare(
      "INSERT INTO token_ledger (owner, card_id, batch_id, sequence, amount, reason, created_at) VALUES (?, ?, ?, ?, ?, 'card_published', ?)",
    )
    const sum = db.prepare(
      'INSERT INTO card_accounts (owner, cards, balance) VALUES (?, ?, ?) ON CONFLICT (owner) DO UPDATE SET cards = cards + excluded.cards, balance = balance + excluded.balance',
    )
    const write = (part: typeof rows) => {
      db.exec('BEGIN IMMEDIATE')
      for (const { card, paid } of part) {
        insert.run(card)
        if (paid !== null) pay.run(paid)
      }
      sum.run(['local', part.length, 100_000_000 * part.filter(({ paid }) => paid !== null).length])
      db.exec('COMMIT')
    }
    write(rows.slice(0, WARM_UP))
    const measured = rows.slice(WARM_UP)
    const time = await seconds(async () => write(measured))
    db.close()
    await checkRows(folder, WARM_UP + count)
    return count / time
  })
}

/** Interpreter that finds the Python packages of Debian. */
const PYTHON = '/usr/bin/python3'

/** FastAPI and SQLAlchemy on SQLite, as Debian packages them; null where they are not installed. */
export async function importPython(count: number, mode: 'flush' | 'together'): Promise<number | null> {
  try {
    execFileSync(PYTHON, ['-c', 'import fastapi, sqlalchemy, uvicorn'], { stdio: 'ignore' })
  } catch {
    return null
  }
  return inFolder(async (folder) => {
    const child = spawn(PYTHON, [join(import.meta.dirname, 'cards-fastapi.py'), folder, mode], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    try {
      const url = await addressOf(child)
      await importThere(url, JSON.stringify({ cards: cardsOf(WARM_UP) }), WARM_UP)
      const body = JSON.stringify({ cards: cardsOf(count, WARM_UP) })
      return count / (await seconds(() => importThere(url, body, count)))
    } finally {
      child.kill('SIGKILL')
    }
  })
}

/** Looks less often than at ours: a look takes the other server's one interpreter away from the import. */
const LOOK_MS = 100

async function importThere(url: string, body: string, count: number): Promise<void> {
  const headers = { 'Content-Type': 'application/json' }
  const accepted = await fetch(`${url}/bulk/import`, { method: 'POST', body, headers })
  const { task_id } = z.object({ task_id: z.string() }).parse(await accepted.json())
  for (;;) {
    const status = Status.parse(await (await fetch(`${url}/bulk/status/${task_id}`)).json())
    if (status.status === 'SUCCESS') return check('cards of the Python server', status.result?.cards_imported, count)
    await pause(LOOK_MS)
  }
}
