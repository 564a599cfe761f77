/** Small documents of every kind, made here. */
import { strToU8, zipSync } from 'fflate'
import PDFDocument from 'pdfkit'

/** Bytes of a PDF that `draw` fills. */
export async function makePdf(draw: (pdf: PDFKit.PDFDocument) => void): Promise<Uint8Array> {
  const pdf = new PDFDocument({ size: 'A4', margin: 72 })
  const parts: Buffer[] = []
  const done = new Promise<void>((resolve) => pdf.on('end', resolve))
  pdf.on('data', (part: Buffer) => parts.push(part))
  draw(pdf)
  pdf.end()
  await done
  return new Uint8Array(Buffer.concat(parts))
}

/** Bytes of a ZIP container with these texts. */
export function makeZip(entries: Readonly<Record<string, string>>): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(entries).map(([path, text]) => [path, strToU8(text)])))
}

const WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'

/** A paragraph of a Word file, with a style if one is named. */
export function wordParagraph(text: string, style?: string): string {
  const properties = style === undefined ? '' : `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>`
  return `<w:p>${properties}<w:r><w:t xml:space="preserve">${text}</w:t></w:r></w:p>`
}

/** A table of a Word file. */
export function wordTable(rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[]) => row.map((cell) => `<w:tc>${wordParagraph(cell)}</w:tc>`).join('')
  return `<w:tbl>${rows.map((row) => `<w:tr>${cells(row)}</w:tr>`).join('')}</w:tbl>`
}

/** Bytes of a Word file with this body; heading styles are named as every language of Word names them. */
export function makeDocx(body: string, core = ''): Uint8Array {
  const style = (id: string, name: string) =>
    `<w:style w:type="paragraph" w:styleId="${id}"><w:name w:val="${name}"/></w:style>`
  const relationship = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
  return makeZip({
    '[Content_Types].xml':
      '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/>' +
      '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    '_rels/.rels': `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="${relationship}/officeDocument" Target="word/document.xml"/></Relationships>`,
    'word/_rels/document.xml.rels': `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="${relationship}/styles" Target="styles.xml"/></Relationships>`,
    'word/styles.xml': `<w:styles ${WORD}>${style('berschrift1', 'heading 1')}${style('berschrift2', 'heading 2')}</w:styles>`,
    'word/document.xml': `<w:document ${WORD}><w:body>${body}</w:body></w:document>`,
    ...(core === '' ? {} : { 'docProps/core.xml': core }),
  })
}

/** A slide's shape with one paragraph a text; `type` makes it a placeholder. */
export function slideShape(texts: readonly string[], type?: string): string {
  const paragraphs = texts.map((text) => `<a:p><a:r><a:t>${text}</a:t></a:r></a:p>`).join('')
  const placeholder = type === undefined ? '' : `<p:nvSpPr><p:nvPr><p:ph type="${type}"/></p:nvPr></p:nvSpPr>`
  return `<p:sp>${placeholder}<p:txBody>${paragraphs}</p:txBody></p:sp>`
}

/** Bytes of a presentation; slides are shown in the order given and stored in the opposite one. */
export function makePptx(slides: readonly string[], notes: Readonly<Record<number, string>> = {}): Uint8Array {
  const entries: Record<string, string> = {}
  const relationships: string[] = []
  const type = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
  for (const [index, slide] of slides.entries()) {
    const file = slides.length - index
    entries[`ppt/slides/slide${file}.xml`] = `<p:sld><p:cSld><p:spTree>${slide}</p:spTree></p:cSld></p:sld>`
    relationships.push(`<Relationship Id="rId${index}" Type="${type}/slide" Target="slides/slide${file}.xml"/>`)
    const note = notes[index]
    if (note === undefined) continue
    entries[`ppt/notesSlides/notesSlide${file}.xml`] =
      `<p:notes><p:cSld><p:spTree>${note}</p:spTree></p:cSld></p:notes>`
    entries[`ppt/slides/_rels/slide${file}.xml.rels`] =
      `<Relationships><Relationship Id="n" Type="${type}/notesSlide" Target="../notesSlides/notesSlide${file}.xml"/></Relationships>`
  }
  entries['ppt/_rels/presentation.xml.rels'] = `<Relationships>${relationships.join('')}</Relationships>`
  entries['ppt/presentation.xml'] =
    `<p:presentation><p:sldIdLst>${slides.map((_, index) => `<p:sldId id="${256 + index}" r:id="rId${index}"/>`).join('')}</p:sldIdLst></p:presentation>`
  return makeZip(entries)
}

/** Bytes of an e-book with these chapters (XHTML bodies). */
export function makeEpub(
  title: string,
  chapters: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Uint8Array {
  const files = chapters.map((body, index) => [
    `OEBPS/text/c ${index}.xhtml`,
    `<html><head><title>c</title></head><body>${body}</body></html>`,
  ])
  const items = chapters.map((_, index) => `<item id="c${index}" href="text/c%20${index}.xhtml"/>`).join('')
  const spine = chapters.map((_, index) => `<itemref idref="c${index}"/>`).join('')
  return makeZip({
    mimetype: 'application/epub+zip',
    'META-INF/container.xml': '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
    'OEBPS/book.opf': `<package><metadata><dc:title>${title}</dc:title><dc:language>en</dc:language></metadata><manifest>${items}</manifest><spine>${spine}</spine></package>`,
    ...Object.fromEntries(files),
    ...more,
  })
}
