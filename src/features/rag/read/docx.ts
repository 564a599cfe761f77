/** Reads Word files through the HTML that mammoth converts them to. */
import { zipSync } from 'fflate'
import mammoth from 'mammoth'
import type { BlockWriter } from './block-writer.ts'
import { type HtmlFacts, readHtml } from './html.ts'
import { readXml } from './xml.ts'
import { entryText, unzip } from './zip.ts'

/** Mapping of Word's built-in styles, whose names are English in every language of Word. mammoth maps headings by itself. */
const STYLES = ["p[style-name='Title'] => h1:fresh", "p[style-name='Subtitle'] => p:fresh"]

/**
 * Reads a Word file (DOCX): text, headings, lists, tables, footnotes, alternative texts of pictures. Comments are left out.
 * @throws MillraceError UNREADABLE_DOCUMENT, TOO_LARGE
 */
export async function readDocx(bytes: Uint8Array, writer: BlockWriter): Promise<HtmlFacts> {
  const entries = unzip(bytes, (path) => /\.(?:xml|rels)$/i.test(path))
  // Repacked without pictures and within limits, because mammoth unpacks all entries.
  const plain = zipSync(entries, { level: 0 })
  // mammoth takes the first of these in browsers and Workers, the second in Node.
  const input = { arrayBuffer: plain.buffer, buffer: plain }
  const convertImage = mammoth.images.imgElement(async () => ({ src: '' }))
  const { value } = await mammoth.convertToHtml(input, { styleMap: STYLES, convertImage })
  const facts = readHtml(value, writer)
  const title = coreTitle(entryText(entries, 'docProps/core.xml'))
  return title === '' ? facts : { ...facts, title }
}

/** Reads the title in the properties of an office file; empty where there is none. */
export function coreTitle(xml: string | undefined): string {
  let title = ''
  readXml(xml ?? '', {
    text(text, path) {
      if (path.at(-1) === 'dc:title') title += text
    },
  })
  return title.trim()
}
