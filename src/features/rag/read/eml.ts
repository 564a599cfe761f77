/** Reads mail (RFC 5322 with MIME): sender, recipients and text. */
import PostalMime, { type Address } from 'postal-mime'
import type { BlockWriter } from './block-writer.ts'
import { readHtml } from './html.ts'
import { readPlainText } from './plain-text.ts'

/** Most levels of nested parts that are read. */
const MAX_NESTING = 50
/** Most attachments that a warning names; the others are counted. */
const MAX_NAMED = 10

/**
 * Reads a mail. Its attachments are not read; they are named in the warnings.
 * @throws MillraceError TOO_LARGE
 */
export async function readEml(bytes: Uint8Array, writer: BlockWriter): Promise<{ title: string; warnings: string[] }> {
  const mail = await PostalMime.parse(bytes, { maxNestingDepth: MAX_NESTING })
  const title = mail.subject ?? ''
  writer.heading(1, title || 'Mail')
  const people = [
    ['From', mail.from ? [mail.from] : []],
    ['To', mail.to ?? []],
    ['Cc', mail.cc ?? []],
  ] as const
  const known = people.filter(([, addresses]) => addresses.length > 0)
  const lines = known.map(([name, addresses]) => `${name}: ${addresses.map(addressText).join(', ')}`)
  if (mail.date) lines.push(`Date: ${mail.date}`)
  writer.paragraph(lines.join('; '))
  if (mail.html) readHtml(mail.html, writer)
  else readPlainText(mail.text ?? '', writer)
  return { title, warnings: attachmentWarnings(mail.attachments.filter(({ related }) => !related)) }
}

function addressText({ name, address, group }: Address): string {
  if (group) return `${name} (${group.map(addressText).join(', ')})`
  return name ? `${name} <${address}>` : (address ?? '')
}

function attachmentWarnings(attachments: readonly { filename: string | null; mimeType: string }[]): string[] {
  if (attachments.length === 0) return []
  const names = attachments.slice(0, MAX_NAMED).map(({ filename, mimeType }) => filename ?? mimeType)
  const more = attachments.length > MAX_NAMED ? ` and ${attachments.length - MAX_NAMED} more` : ''
  return [`Attachments are not read: ${names.join(', ')}${more}. Send them as documents of their own.`]
}
