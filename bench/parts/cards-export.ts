/** Exports of cards: over HTTP, by a bare loop, by SQLite's own shell. Cards a second. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { sql } from 'drizzle-orm'
import { check, open, type Server, seconds } from './cards-server.ts'
import { median } from './report.ts'

/** Cards in the database. */
export const EXPORTED = 100_000
const ROUNDS = 5

export const FORMATS = ['json', 'csv'] as const

/** Cards a second of an export over HTTP, the file written; and of a bare loop that reads and writes the same. */
export async function exports(folder: string, server: Server, format: (typeof FORMATS)[number]) {
  const http: number[] = []
  const bare: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const time = await seconds(async () => {
      const result = await server.run(
        '/bulk/export',
        'application/json',
        JSON.stringify({ format, include_metadata: false }),
      )
      check('cards exported', result.cards_exported, EXPORTED)
    })
    http.push(EXPORTED / time)
    bare.push(EXPORTED / (await seconds(() => bareExport(folder, format))))
  }
  return { http: median(http), bare: median(bare) }
}

const COLUMNS = `id, title, body, category, privacy_level, tags, source_platform, source_url, slug, created_at, published_at`

/** Exports cards with the code one would write by hand: pages by key, an object for each row, a text for each row, one file. */
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
  check('cards of the bare loop', written, EXPORTED)
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
export async function shell(folder: string, mode: '-json' | '-csv'): Promise<number | null> {
  const query = `SELECT ${COLUMNS} FROM cards WHERE owner = 'local' ORDER BY id`
  try {
    const spent = await seconds(async () => {
      execFileSync('sqlite3', [mode, join(folder, 'millrace.db'), `.output ${join(folder, 'shell.out')}`, query])
    })
    return EXPORTED / spent
  } catch {
    return null
  }
}
