/** Reads the tokens that an owner earned, and published cards. */
import { sql } from 'drizzle-orm'
import { encodeSlug } from '../../../formats/slug.ts'
import type { Database } from '../../../ports.ts'
import type { Tokens } from '../schemas.ts'
import { UNITS_A_TOKEN } from '../tables.ts'

const DECIMALS = 8

/**
 * Writes an amount with eight decimals.
 * @param units of 0.00000001 token
 */
function formatTokens(units: bigint | number): string {
  const value = BigInt(units)
  const sign = value < 0n ? '-' : ''
  const digits = (value < 0n ? -value : value).toString().padStart(DECIMALS + 1, '0')
  return `${sign}${digits.slice(0, -DECIMALS)}.${digits.slice(-DECIMALS)}`
}

/** Formats the tokens that this many published cards earn. */
export function earned(cards: number): string {
  return formatTokens(BigInt(cards) * BigInt(UNITS_A_TOKEN))
}

/**
 * Reads an owner's balance and a page of its ledger, newest first.
 * @param page `before`: the id of the last row of the page before
 */
export async function readTokens(
  db: Database,
  owner: string,
  page: { before: number | undefined; limit: number },
): Promise<Tokens> {
  const { before = Number.MAX_SAFE_INTEGER, limit } = page
  // Sums are read as text: they may exceed the safe integers.
  const [accounts, rows] = await db.batch([
    db.all<{ balance: string }>(sql`SELECT CAST(balance AS TEXT) AS balance FROM card_accounts WHERE owner = ${owner}`),
    db.all<{ id: number; card_id: string; batch_id: string; amount: number; reason: string; created_at: number }>(sql`
      SELECT id, card_id, batch_id, amount, reason, created_at FROM token_ledger
      WHERE owner = ${owner} AND id < ${before} ORDER BY id DESC LIMIT ${limit}`),
  ])
  return {
    balance: formatTokens(BigInt(accounts[0]?.balance ?? 0)),
    ledger: rows.map(({ batch_id: task_id, amount, created_at, ...row }) => ({
      ...row,
      task_id,
      amount: formatTokens(amount),
      created_at: new Date(created_at).toISOString(),
    })),
    next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
  }
}

/** Public fields of a card. */
export interface PublishedCard {
  readonly title: string
  readonly body: string
  readonly category: string
  readonly tags: readonly string[]
  readonly sourcePlatform: string | null
  readonly sourceUrl: string | null
  readonly publishedAt: number
}

/**
 * Reads the published card of a slug; null when there is none, or it was unpublished or deleted.
 * @param slug decoded
 */
export async function readPublished(db: Database, slug: string): Promise<PublishedCard | null> {
  // Slugs made by earlier versions are stored unencoded.
  const spellings = sql`(${encodeSlug(slug)}, ${slug})`
  const [row] = await db.all<{
    title: string
    body: string
    category: string
    tags: string
    source_platform: string | null
    source_url: string | null
    published_at: number
  }>(sql`
    SELECT title, body, category, tags, source_platform, source_url, published_at FROM cards
    WHERE slug IN ${spellings} AND slug IS NOT NULL AND published_at IS NOT NULL AND deleted_at IS NULL`)
  if (row === undefined) return null
  const { source_platform: sourcePlatform, source_url: sourceUrl, published_at: publishedAt, tags, ...card } = row
  return { ...card, tags: JSON.parse(tags), sourcePlatform, sourceUrl, publishedAt }
}
