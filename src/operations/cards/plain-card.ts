/** The short way to what `NewCard` gives: for a card that is well formed as most are, without asking the schema. */
import { isShallow, type NewCard } from '../../wire/cards.ts'

/**
 * What the schema would make of a card, in a tenth of the time.
 * @param value as JSON.parse gives it
 * @returns null where the schema must be asked: it may take the card all the same, or say what is wrong
 */
export function plainCard(value: unknown): NewCard | null {
  if (typeof value !== 'object' || value === null) return null
  if (!('title' in value && 'body' in value && 'category' in value && 'privacy_level' in value)) return null
  const { title, body, category, privacy_level } = value
  if (!isText(title, 1, 1_000) || !isText(body, 0, 250_000)) return null
  if (!isText(category, 1, 200) || !isText(privacy_level, 1, 100)) return null
  const tags = ('tags' in value ? value.tags : null) ?? []
  if (!Array.isArray(tags) || tags.length > 200 || !tags.every(isPlainTag)) return null
  const source_platform = ('source_platform' in value ? value.source_platform : null) ?? undefined
  const source_url = ('source_url' in value ? value.source_url : null) ?? undefined
  if (source_platform !== undefined && !isText(source_platform, 0, 200)) return null
  if (source_url !== undefined && !isText(source_url, 0, 4_000)) return null
  const metadata = ('metadata' in value ? value.metadata : null) ?? {}
  if (!isObject(metadata) || !isShallow(metadata)) return null
  return { title, body, category, privacy_level, tags, source_platform, source_url, metadata }
}

function isText(value: unknown, min: number, max: number): value is string {
  return (
    typeof value === 'string' &&
    value.length >= min &&
    value.length <= max &&
    value.isWellFormed() &&
    !value.includes('\0')
  )
}

/** One that nothing is trimmed from. */
function isPlainTag(value: unknown): value is string {
  return isText(value, 1, 200) && value.trim() === value
}

/** The schema passes over a member of this name. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Object.hasOwn(value, '__proto__')
}
