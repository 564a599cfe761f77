/** Reads PowerPoint files: titles, text and tables of the slides in their order, and the speaker notes. */
import { MillraceError } from '../../../errors.ts'
import type { BlockWriter } from './block-writer.ts'
import { coreTitle } from './docx.ts'
import { readXml } from './xml.ts'
import { entryText, resolveEntry, unzip, type ZipEntries } from './zip.ts'

const PRESENTATION = 'ppt/presentation.xml'

/**
 * Reads a presentation (PPTX); the page of a block is the number of its slide.
 * @throws MillraceError UNREADABLE_DOCUMENT, TOO_LARGE
 */
export function readPptx(bytes: Uint8Array, writer: BlockWriter): { title: string } {
  const entries = unzip(bytes, (path) => /^(?:ppt|docProps)\/.*\.(?:xml|rels)$/i.test(path))
  const order = slideIds(entryText(entries, PRESENTATION))
  const targets = relations(entries, PRESENTATION)
  let first = ''
  for (const [index, id] of order.entries()) {
    const path = targets.get(id)?.target
    const slide = path === undefined ? undefined : entryText(entries, path)
    if (path === undefined || slide === undefined) continue
    writer.moveTo({ page: index + 1 })
    const title = readSlide(slide, writer, index + 1)
    first ||= title
    for (const { type, target } of relations(entries, path).values()) {
      if (type.endsWith('/notesSlide')) readNotes(entryText(entries, target) ?? '', writer)
    }
  }
  return { title: coreTitle(entryText(entries, 'docProps/core.xml')) || first }
}

function slideIds(xml: string | undefined): string[] {
  if (xml === undefined) throw new MillraceError('UNREADABLE_DOCUMENT', 'This PowerPoint file has no slides in it.')
  const ids: string[] = []
  readXml(xml, { open: (name, attributes) => name === 'p:sldId' && ids.push(attributes['r:id'] ?? '') })
  return ids
}

/** Reads the relationships of a part, by their ids (ECMA-376 part 2, section 8.5.3). */
function relations(entries: ZipEntries, path: string): Map<string, { type: string; target: string }> {
  const found = new Map<string, { type: string; target: string }>()
  const rels = path.replace(/([^/]+)$/, '_rels/$1.rels')
  readXml(entryText(entries, rels) ?? '', {
    open: (name, { Id: id, Type: type, Target: target, TargetMode: mode }) => {
      if (name !== 'Relationship' || mode === 'External' || !id || !type || !target) return
      found.set(id, { type, target: resolveEntry(path, target) })
    },
  })
  return found
}

/** Paragraphs of a shape, or cells of a row; the paragraphs of a title shape become a heading. */
interface OpenShape {
  kind: 'title' | 'body' | 'ignored'
  paragraphs: string[]
}

/** Placeholders that repeat on every slide. */
const REPEATED = new Set(['dt', 'ftr', 'sldNum', 'hdr', 'sldImg'])

/** Writes a slide's shapes, its title first. @returns the title */
function readSlide(xml: string, writer: BlockWriter, number: number): string {
  const { shapes, tables } = shapesOf(xml)
  const titles = shapes.filter(({ kind }) => kind === 'title').flatMap(({ paragraphs }) => paragraphs)
  writer.heading(1, titles.join(' ') || `Slide ${number}`)
  for (const { kind, paragraphs } of shapes) if (kind === 'body') for (const text of paragraphs) writer.paragraph(text)
  for (const [columns = [], ...rows] of tables) {
    if (rows.length === 0) writer.row(columns)
    for (const row of rows) writer.row(row, columns)
  }
  return titles.join(' ')
}

function readNotes(xml: string, writer: BlockWriter): void {
  for (const { kind, paragraphs } of shapesOf(xml).shapes) {
    if (kind === 'body') for (const text of paragraphs) writer.paragraph(text)
  }
}

/** Parses DrawingML into shapes with their paragraphs, and tables with the texts of their cells (ECMA-376 part 1, sections 19.3 and 21.1). */
function shapesOf(xml: string): { shapes: OpenShape[]; tables: string[][][] } {
  const shapes: OpenShape[] = []
  const tables: string[][][] = []
  let cell: string[] | null = null
  let text = ''
  const shape = () => shapes.at(-1) ?? shapes[shapes.push({ kind: 'body', paragraphs: [] }) - 1]
  readXml(xml, {
    open(name, attributes) {
      if (name === 'p:sp') shapes.push({ kind: 'body', paragraphs: [] })
      else if (name === 'p:ph') setKind(shape(), attributes.type)
      else if (name === 'a:tbl') tables.push([])
      else if (name === 'a:tr') tables.at(-1)?.push([])
      else if (name === 'a:tc') cell = []
      else if (name === 'a:br') text += ' '
    },
    text: (piece, path) => {
      if (path.at(-1) === 'a:t') text += piece
    },
    close(name) {
      if (name === 'a:p') {
        if (text.trim() !== '') (cell ?? shape()?.paragraphs)?.push(text)
        text = ''
      } else if (name === 'a:tc') {
        tables
          .at(-1)
          ?.at(-1)
          ?.push(cell?.join(' ') ?? '')
        cell = null
      }
    },
  })
  return { shapes, tables }
}

function setKind(shape: OpenShape | undefined, type: string | undefined): void {
  if (shape === undefined || type === undefined) return
  if (type === 'title' || type === 'ctrTitle') shape.kind = 'title'
  else if (REPEATED.has(type)) shape.kind = 'ignored'
}
