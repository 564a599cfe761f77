/** Fast path of `NewCard`: parses well-formed cards, as most are, without the schema. */
import { isJsonObject, isShallow, type NewCard } from '../schemas.ts'

/**
 * Parses a card to the same value as the schema, in a tenth of the time.
 * @param value as `parseLossless` returns it
 * @returns null where the schema must decide: it may accept the card all the same, or names the fault
 */
export function plainCard(value: unknown): NewCard | null {
  if (typeof value !== 'object' || value === null) return null
  if (!('title' in value && 'body' in value && 'category' in value && 'privacy_level' in value)) return null
  const { title, body, category, privacy_level } = value
  if (!isText(title, 1, 1_000) || !isText(body, 0, 250_000)) return null
  if (!isText(category, 1, 200) || !isWord(privacy_level, 100)) return null
  const tags = ('tags' in value ? value.tags : null) ?? []
  if (!Array.isArray(tags) || tags.length > 200 || !tags.every((tag) => isWord(tag, 200))) return null
  const source_platform = 'source_platform' in value ? given(value.source_platform) : undefined
  const source_url = 'source_url' in value ? given(value.source_url) : undefined
  if (source_platform !== undefined && !isText(source_platform, 1, 200)) return null
  if (source_url !== undefined && !isText(source_url, 1, 4_000)) return null
  const metadata = ('metadata' in value ? value.metadata : null) ?? {}
  if (!isJsonObject(metadata) || !isShallow(metadata)) return null
  return { title, body, category, privacy_level, tags, source_platform, source_url, metadata }
}

const given = (value: unknown) => (value === null || value === '' ? undefined : value)

function isText(value: unknown, min: number, max: number): value is string {
  return (
    typeof value === 'string' &&
    value.length >= min &&
    value.length <= max &&
    value.isWellFormed() &&
    !value.includes('\0')
  )
}

/** Returns true for text without surrounding whitespace. */
function isWord(value: unknown, max: number): value is string {
  return isText(value, 1, max) && value.trim() === value
}
