/** Reads e-books (EPUB 2 and 3): the chapters of the spine, in its order. */
import { MillraceError } from '../../../errors.ts'
import { type BlockWriter, collapse } from './block-writer.ts'
import { decodeText } from './decode-text.ts'
import { type HtmlFacts, readHtml } from './html.ts'
import { readXml } from './xml.ts'
import { entryText, resolveEntry, unzip, type ZipEntries } from './zip.ts'

const CONTAINER = 'META-INF/container.xml'
const ENCRYPTION = 'META-INF/encryption.xml'
/** Algorithms that only obfuscate fonts; the text is readable (EPUB 3.3, section 4.4). */
const FONT_ALGORITHM = /idpf\.org\/2008\/embedding|ns\.adobe\.com\/pdf\/enc#RC/

interface Package {
  title: string
  language: string
  /** Paths of the chapters. */
  readonly chapters: readonly string[]
}

/**
 * Reads an e-book.
 * @returns its facts, and warnings about chapters that are missing
 * @throws MillraceError UNREADABLE_DOCUMENT when it is damaged or has copy protection, TOO_LARGE
 */
export function readEpub(bytes: Uint8Array, writer: BlockWriter): HtmlFacts & { warnings: string[] } {
  const entries = unzip(bytes, (path) => /\.(?:xml|opf|x?html?)$/i.test(path))
  refuseProtected(entryText(entries, ENCRYPTION) ?? '')
  const { title, language, chapters } = readPackage(entries)
  const warnings: string[] = []
  let firstTitle = ''
  for (const path of chapters) {
    const chapter = entries[path]
    if (chapter === undefined) {
      warnings.push(`The chapter ${path} is named in this book and not in it.`)
      continue
    }
    const facts = readHtml(decodeText(chapter).text, writer)
    firstTitle ||= facts.title
  }
  return { title: title || firstTitle, ...(language === '' ? {} : { language }), warnings }
}

function refuseProtected(xml: string): void {
  readXml(xml, {
    open(name, attributes) {
      if (!/(?:^|:)EncryptionMethod$/.test(name) || FONT_ALGORITHM.test(attributes.Algorithm ?? '')) return
      throw new MillraceError(
        'UNREADABLE_DOCUMENT',
        'This e-book has copy protection (DRM) and cannot be read. Send a copy without it.',
      )
    },
  })
}

function readPackage(entries: ZipEntries): Package {
  let path = ''
  readXml(entryText(entries, CONTAINER) ?? '', {
    open: (name, attributes) => {
      if (name === 'rootfile') path ||= attributes['full-path'] ?? ''
    },
  })
  const xml = entryText(entries, path)
  if (xml === undefined)
    throw new MillraceError('UNREADABLE_DOCUMENT', 'This e-book has no list of its chapters. Try downloading it again.')
  const found = { title: '', language: '' }
  const files = new Map<string, string>()
  const spine: string[] = []
  readXml(xml, {
    open(name, { id = '', href = '', idref = '' }) {
      if (/(?:^|:)item$/.test(name)) files.set(id, resolveEntry(path, href))
      else if (/(?:^|:)itemref$/.test(name)) spine.push(idref)
    },
    text(text, elements) {
      if (elements.at(-1) === 'dc:title') found.title ||= collapse(text)
      else if (elements.at(-1) === 'dc:language') found.language ||= collapse(text)
    },
  })
  return { ...found, chapters: spine.flatMap((id) => files.get(id) ?? []) }
}
