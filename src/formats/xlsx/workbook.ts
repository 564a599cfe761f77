/** Opens a workbook of Excel (XLSX, XLSM): finds its sheets, and reads the rows of one while they stream by. */
import { ZipArchive, ZipError, type ZipSource } from '../zip-archive.ts'
import { builtInStyle, type NumberStyle, styleOfFormat } from './number-formats.ts'
import { attributesOf, type Relation, readPart, readRelations, scanPart } from './parts.ts'
import { SharedStrings } from './shared-strings.ts'
import { SheetReader, type SheetRow } from './sheet.ts'
import { RichText } from './text.ts'

/** A sheet with cells, in the order of the tabs. */
export interface Sheet {
  readonly name: string
  readonly isHidden: boolean
  readonly path: string
}

/** Part of a workbook's own facts. */
interface Facts {
  readonly sheets: readonly Sheet[]
  readonly startsIn1904: boolean
}

/** A workbook that is open. */
export class Workbook {
  readonly sheets: readonly Sheet[]
  readonly #archive: ZipArchive
  readonly #parts: readonly Relation[]
  readonly #startsIn1904: boolean

  private constructor(archive: ZipArchive, parts: readonly Relation[], { sheets, startsIn1904 }: Facts) {
    this.#archive = archive
    this.#parts = parts
    this.sheets = sheets
    this.#startsIn1904 = startsIn1904
  }

  /**
   * Opens a workbook.
   * @throws ZipError for what is none; MillraceError TOO_LARGE
   */
  static async open(source: ZipSource): Promise<Workbook> {
    const archive = await ZipArchive.open(source)
    const path = await findWorkbook(archive)
    const parts = await readRelations(archive, path)
    return new Workbook(archive, parts, await readFacts(archive, path, parts))
  }

  /**
   * Reads the non-empty rows of a sheet, some at a time. Yields to the event loop in between.
   * @throws ZipError for what is damaged; MillraceError TOO_LARGE
   */
  async *rows(sheet: Sheet): AsyncGenerator<readonly SheetRow[]> {
    const strings = await this.#readStrings()
    const reader = new SheetReader(sheet.path, {
      strings,
      styles: await this.#readStyles(),
      startsIn1904: this.#startsIn1904,
    })
    for await (const _ of scanPart(this.#archive, sheet.path, reader, Number.POSITIVE_INFINITY)) yield reader.take()
  }

  #pathOf(type: string): string | null {
    return this.#parts.find((part) => part.type === type)?.path ?? null
  }

  async #readStrings(): Promise<SharedStrings> {
    const strings = new SharedStrings()
    const path = this.#pathOf('sharedStrings')
    if (path === null) return strings
    const text = new RichText()
    const handlers = {
      open: (name: string) => text.open(name),
      text: (part: string) => text.text(part),
      close(name: string) {
        text.close(name)
        if (name === 'si') strings.add(text.take())
      },
    }
    for await (const _ of scanPart(this.#archive, path, handlers, Number.POSITIVE_INFINITY));
    return strings
  }

  async #readStyles(): Promise<NumberStyle[]> {
    const path = this.#pathOf('styles')
    const written = new Map<number, NumberStyle>()
    const styles: NumberStyle[] = []
    if (path === null) return styles
    let isInCells = false
    await readPart(this.#archive, path, {
      open(name, attributes) {
        if (name === 'cellXfs') isInCells = true
        else if (name === 'numFmt') {
          const { numFmtId, formatCode = '' } = attributesOf(attributes)
          written.set(Number(numFmtId), styleOfFormat(formatCode))
        } else if (name === 'xf' && isInCells) {
          const id = Number(attributesOf(attributes).numFmtId ?? 0)
          styles.push(written.get(id) ?? builtInStyle(id))
        }
      },
      close(name) {
        if (name === 'cellXfs') isInCells = false
      },
    })
    return styles
  }
}

/** The part that the container names as its document. */
async function findWorkbook(archive: ZipArchive): Promise<string> {
  const [main] = (await readRelations(archive, '')).filter(({ type }) => type === 'officeDocument')
  if (archive.has('xl/workbook.bin') || main?.path.endsWith('.bin')) {
    throw new ZipError('is a binary workbook (XLSB), which is not read; save it as XLSX')
  }
  if (archive.has('mimetype') && archive.has('content.xml')) {
    throw new ZipError('is an OpenDocument file, which is not read; save it as XLSX or CSV')
  }
  const path = main?.path ?? 'xl/workbook.xml'
  if (!archive.has(path)) throw new ZipError('is a ZIP archive and no workbook')
  if (/(?:^|\/)(?:document|presentation)\.xml$/i.test(path))
    throw new ZipError('is another Office document and no workbook')
  return path
}

async function readFacts(archive: ZipArchive, path: string, parts: readonly Relation[]): Promise<Facts> {
  const sheets: Sheet[] = []
  let startsIn1904 = false
  await readPart(archive, path, {
    open(name, attributes) {
      if (name === 'workbookPr') startsIn1904 = /^(?:1|true|on)$/.test(attributesOf(attributes).date1904 ?? '')
      if (name !== 'sheet') return
      const said = attributesOf(attributes)
      const part = parts.find(({ id }) => id === said.id)
      // Sheets that are nothing but a chart or a macro have no cells.
      if (part?.type !== 'worksheet') return
      sheets.push({ name: said.name ?? '', isHidden: /hidden/i.test(said.state ?? ''), path: part.path })
    },
  })
  return { sheets, startsIn1904 }
}
