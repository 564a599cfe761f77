/** Computes the hash of the file that an export of seeded cards must give, without our own code for exports. */
import { createHash } from 'node:crypto'
import { SEEDED_AT, type SeededCard, seededIds } from '../../test/features/cards/seed.ts'

const TIME = new Date(SEEDED_AT).toISOString()

/** SHA-256 of an export, without metadata, of cards numbered from 0; lower-case hex. */
export function expectedHash(
  format: 'json' | 'csv',
  count: number,
  make: (number: number) => SeededCard,
  pages: string,
): string {
  const hash = createHash('sha256')
  hash.update(format === 'json' ? '[' : `${COLUMNS.join(',')}\r\n`)
  for (let number = 0; number < count; number++) {
    const card = make(number)
    const { id, slug } = seededIds(number, card.title)
    const row = { id, card, url: `${pages}${slug}` }
    hash.update(format === 'json' ? `${number === 0 ? '' : ','}\n${jsonOf(row)}` : csvOf(row))
  }
  if (format === 'json') hash.update('\n]\n')
  return hash.digest('hex')
}

interface Row {
  readonly id: string
  readonly card: SeededCard
  readonly url: string
}

const COLUMNS = [
  'id',
  'title',
  'body',
  'category',
  'privacy_level',
  'tags',
  'source_platform',
  'source_url',
  'is_published',
  'published_url',
  'created_at',
  'published_at',
]

function jsonOf({ id, card, url }: Row): string {
  const { title, body, category, privacy_level, tags, source_platform, source_url } = card
  const said = { id, title, body, category, privacy_level, tags, source_platform, source_url }
  return JSON.stringify({ ...said, is_published: true, published_url: url, created_at: TIME, published_at: TIME })
}

/** None of the texts needs quotes but the list of tags. */
function csvOf({ id, card, url }: Row): string {
  const { title, body, category, privacy_level, tags, source_platform, source_url } = card
  const cells = [id, title, body, category, privacy_level, `"${tags.join(',')}"`, source_platform, source_url]
  return `${[...cells, 'yes', url, TIME, TIME].join(',')}\r\n`
}
