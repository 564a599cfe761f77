/** Formats of exported cards: JSON, NDJSON, Markdown, CSV. Each is streamed card by card; JSON, NDJSON and CSV can be imported. */
import { encodeCell, encodeField, encodeRecord } from '../../../formats/csv.ts'

/** A card in formats other than JSON; `metadata`, as JSON text, is present where it was requested. */
export interface ExportedCard {
  readonly id: string
  readonly title: string
  readonly body: string
  readonly category: string
  readonly privacy_level: string
  readonly tags: readonly string[]
  readonly source_platform: string | null
  readonly source_url: string | null
  readonly metadata?: string
  readonly is_published: boolean
  readonly published_url: string | null
  readonly created_at: string
  readonly published_at: string | null
}

/**
 * A card as an array, for formats other than JSON: id, title, body, category, privacy level, tags, source platform, source URL, metadata
 * (JSON text, null where it was not requested), public URL, and the times of its creation and publication, in milliseconds since the epoch.
 */
type PackedCard = readonly [
  id: string,
  title: string,
  body: string,
  category: string,
  privacyLevel: string,
  tags: readonly string[],
  sourcePlatform: string | null,
  sourceUrl: string | null,
  metadata: string | null,
  publishedUrl: string | null,
  createdAt: number,
  publishedAt: number | null,
]

/** A format of exports. The file is `begin`, then `card` of each card, then `end`. */
export interface CardFormat {
  readonly contentType: string
  /** Extension of the file name. */
  readonly extension: string
  /** True where cards are passed as arrays, `PackedCard`, which are faster to parse; false for objects, as the JSON formats write them. */
  readonly packed: boolean
  begin(withMetadata: boolean): string
  /** @param json the card as JSON text; `first` for the first card */
  card(json: string, first: boolean): string
  readonly end: string
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

/** Caches the last formatted time: cards of one import share it, and formatting is a good part of the cost of a card. */
let lastTime = { ms: 0, text: new Date(0).toISOString() }

function timeOf(ms: number): string {
  if (ms !== lastTime.ms) lastTime = { ms, text: new Date(ms).toISOString() }
  return lastTime.text
}

function read(json: string): ExportedCard {
  const packed: PackedCard = JSON.parse(json)
  const [id, title, body, category, privacy_level, tags, source_platform, source_url, metadata, published_url] = packed
  return {
    id,
    title,
    body,
    category,
    privacy_level,
    tags,
    source_platform,
    source_url,
    ...(metadata === null ? {} : { metadata }),
    is_published: packed[11] !== null,
    published_url,
    created_at: timeOf(packed[10]),
    published_at: packed[11] === null ? null : timeOf(packed[11]),
  }
}

function csvRecord(card: ExportedCard): string {
  const { tags, metadata } = card
  // Tags are a CSV record within the field, so a tag with a comma is quoted.
  const tagged = tags.length === 0 ? '' : encodeCell(tags.map(encodeField).join(','))
  const text = `${card.id},${encodeCell(card.title)},${encodeCell(card.body)},${encodeCell(card.category)},${encodeCell(card.privacy_level)},${tagged},${encodeCell(card.source_platform ?? '')},${encodeCell(card.source_url ?? '')}`
  const rest = `${card.is_published ? 'yes' : 'no'},${encodeCell(card.published_url ?? '')},${card.created_at},${card.published_at ?? ''}`
  return metadata === undefined ? `${text},${rest}\r\n` : `${text},${rest},${encodeCell(metadata)}\r\n`
}

/** Escapes text for one line of Markdown. */
function line(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/([\\`*_[\]<>#|])/g, '\\$1')
}

function markdown(card: ExportedCard): string {
  const source = [card.source_platform ?? '', card.source_url ?? ''].filter((part) => part !== '')
  const facts = [
    `**Category:** ${line(card.category)}`,
    `**Privacy:** ${line(card.privacy_level)}`,
    ...(card.tags.length > 0 ? [`**Tags:** ${line(card.tags.join(', '))}`] : []),
    ...(source.length > 0 ? [`**Source:** ${line(source.join(', '))}`] : []),
    ...(card.metadata !== undefined && card.metadata !== '{}' ? [`**Metadata:** ${line(card.metadata)}`] : []),
  ]
  const dates = [
    `*Created: ${card.created_at}*`,
    ...(card.published_at === null ? [] : [`*Published: ${card.published_at}${urlOf(card)}*`]),
  ]
  return `# ${line(card.title)}\n\n${facts.join('  \n')}\n\n---\n\n${card.body}\n\n${dates.join('  \n')}\n`
}

const urlOf = ({ published_url: url }: ExportedCard) => (url === null ? '' : ` <${url}>`)

/** Formats by name. */
export const CARD_FORMATS: Readonly<Record<'json' | 'ndjson' | 'markdown' | 'csv', CardFormat>> = {
  json: {
    contentType: 'application/json',
    extension: 'json',
    packed: false,
    begin: () => '[',
    card: (json, first) => `${first ? '\n' : ',\n'}${json}`,
    end: '\n]\n',
  },
  ndjson: {
    contentType: 'application/x-ndjson',
    extension: 'ndjson',
    packed: false,
    begin: () => '',
    card: (json) => `${json}\n`,
    end: '',
  },
  markdown: {
    contentType: 'text/markdown; charset=utf-8',
    extension: 'md',
    packed: true,
    begin: () => '',
    card: (json, first) => `${first ? '' : '\n'}${markdown(read(json))}`,
    end: '',
  },
  csv: {
    contentType: 'text/csv; charset=utf-8; header=present',
    extension: 'csv',
    packed: true,
    begin: (withMetadata) => encodeRecord(withMetadata ? [...COLUMNS, 'metadata'] : COLUMNS),
    card: (json) => csvRecord(read(json)),
    end: '',
  },
}
