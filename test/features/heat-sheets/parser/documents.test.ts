/** Documents that are no sheets, files that are no PDFs, and how the task reads what is one. */
import fc from 'fast-check'
import PDFDocument from 'pdfkit'
import { describe, expect, it } from 'vitest'
import { MillraceError } from '../../../../src/errors.ts'
import parseTask from '../../../../src/features/heat-sheets/parse-task.ts'
import { parseSheet } from '../../../../src/features/heat-sheets/parser/parse.ts'
import { Sheet } from '../../../../src/features/heat-sheets/parser/sheet.ts'
import { readPdfText } from '../../../../src/formats/pdf-text.ts'
import { normalizePdfText } from '../../../../src/formats/text-layer.ts'
import { heatSheet } from '../../../support/sheets.ts'
import { type Cells, centred, HEAD, HEADINGS, item, lines, page, row } from './pages.ts'

/** A PDF of pages of text; an empty page has none. */
async function pdfOf(
  pages: readonly (readonly Cells[])[],
  options: PDFKit.PDFDocumentOptions = {},
): Promise<Uint8Array> {
  const document = new PDFDocument({ size: 'LETTER', autoFirstPage: false, ...options })
  const chunks: Uint8Array[] = []
  document.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  const ended = new Promise((resolve) => document.on('end', resolve))
  for (const rows of pages) {
    document.addPage().font('Times-Roman').fontSize(8)
    for (const [i, cells] of rows.entries()) {
      for (const [x, text] of cells) document.text(text, x, 40 + 11 * i, { lineBreak: false })
    }
  }
  document.end()
  await ended
  return new Uint8Array(Buffer.concat(chunks))
}

async function read(bytes: Uint8Array, options?: Parameters<typeof readPdfText>[1]) {
  const pages = []
  for await (const { page: one } of readPdfText(bytes, options)) pages.push(one)
  return pages
}

const indent = (rows: readonly Cells[]): Cells[] =>
  rows.map((cells) => cells.map(([x, text]) => [x + 18, text] as const))

const SHEET: readonly Cells[] = [
  ...HEAD,
  ...indent([
    [[0, 'Event 3 Girls 11-12 100 Yard Freestyle']],
    HEADINGS,
    [[0, 'Heat 1 of 1 Finals Starts at 09:05 AM']],
    row(4, 'Quill, Ada', 12, 'MILL', '59.10'),
    row(5, 'Reed, Bo', 11, 'POND', '59.20'),
  ]),
]

describe('the task', () => {
  it('reads a PDF, tells of each page, and gives plain JSON', async () => {
    const progress: unknown[] = []
    const bytes = await pdfOf([SHEET, SHEET])
    const sheet = Sheet.parse(await parseTask({ pdf: bytes }, { progress: (value) => progress.push(value) }))
    expect(progress).toEqual([
      { page: 1, pages: 2 },
      { page: 2, pages: 2 },
    ])
    expect(JSON.parse(JSON.stringify(sheet))).toEqual(sheet)
    expect(sheet.entries[0]).toMatchObject({
      name: 'Quill, Ada',
      heat: 1,
      lane: 4,
      start: '09:05',
      age: 12,
      seed: '59.10',
    })
  })

  it('refuses what is no PDF', async () => {
    const task = (pdf: unknown) => parseTask({ pdf }, { progress: () => {} })
    await expect(task(new TextEncoder().encode('<html>not found</html>'))).rejects.toMatchObject({
      code: 'INVALID_PDF',
    })
    await expect(task(new Uint8Array())).rejects.toMatchObject({ code: 'INVALID_PDF' })
    await expect(task(new TextEncoder().encode('%PDF-1.4 and nothing'))).rejects.toMatchObject({ code: 'INVALID_PDF' })
    const cut = (await pdfOf([SHEET])).subarray(0, 300)
    await expect(task(cut)).rejects.toMatchObject({ code: 'INVALID_PDF' })
    await expect(task('a string')).rejects.toMatchObject({ code: 'UNKNOWN' })
  })

  it('refuses a PDF that is locked with a password, in words', async () => {
    const locked = await pdfOf([SHEET], { userPassword: 'mill' })
    await expect(read(locked)).rejects.toMatchObject({
      code: 'INVALID_PDF',
      message: expect.stringContaining('password'),
    })
  })

  it('opens a PDF that is only kept from being changed', async () => {
    const pages = await read(await pdfOf([SHEET], { ownerPassword: 'mill' }))
    expect(parseSheet(pages).entries).toHaveLength(2)
  })

  it('refuses too many pages, and stops when told', async () => {
    const bytes = await pdfOf([SHEET, SHEET, SHEET])
    await expect(read(bytes, { maxPages: 2 })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const stop = new AbortController()
    const reading = (async () => {
      for await (const { page: one } of readPdfText(bytes, { signal: stop.signal })) {
        if (one.number === 1) stop.abort(new Error('enough'))
      }
    })()
    await expect(reading).rejects.toThrow('enough')
  })
})

describe('memory', () => {
  const buffers = () => process.memoryUsage().arrayBuffers

  it('of a document that was taken over is given back when it is read, or found to be damaged', async () => {
    const sheet = await heatSheet({ meet: 'Millpond Open', pages: 2, pictureBytes: 20_000_000 })
    const cutOff = sheet.slice(0, -30_000_000)
    for (const [bytes, pages] of [
      [sheet, 2],
      [cutOff, 0],
    ] as const) {
      const { byteLength } = bytes
      const before = buffers()
      const found = await read(bytes, { consume: true }).catch((error: unknown) => error)
      expect(found).toMatchObject(pages === 0 ? { code: 'INVALID_PDF' } : { length: pages })
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect(buffers()).toBeLessThan(before - 0.9 * byteLength)
    }
  })
})

describe('refusals', () => {
  const code = (pages: Parameters<typeof parseSheet>[0]) => {
    try {
      return parseSheet(pages).entries.length
    } catch (error) {
      if (error instanceof MillraceError) return error.code
      throw error
    }
  }
  const head = (title: string): Cells[] => [...HEAD.slice(0, 2), [centred(title)]]
  const body = lines(SHEET.slice(3), { top: 80 })

  it('refuses pages without text', async () => {
    expect(code(await read(await pdfOf([[], []])))).toBe('NO_TEXT')
  })

  it.each(['Results - Saturday', 'Results', 'Session Report', 'Meet Timeline', 'Relay Teams'])(
    'refuses %s',
    (title) => {
      expect(code([page(body, { head: head(title) })])).toBe('NOT_A_HEAT_SHEET')
    },
  )

  it('refuses results by their times, without the word', () => {
    const headings: Cells = [
      [0, 'Name'],
      [94, 'Age'],
      [112, 'Team'],
      [200, 'Seed Time'],
      [300, 'Finals Time'],
    ]
    const rows: Cells[] = ['Quill, Ada', 'Reed, Bo', 'Sedge, Cy', 'Teal, Dov', 'Wren, Eve'].map((name, i) => [
      [0, String(i + 1)],
      [18, name],
      [98, '12'],
      [114, 'MILL'],
      [205, '59.10'],
      [305, '58.10'],
    ])
    const items = lines([[[0, 'Event 3 Girls 100 Yard Freestyle']], headings, ...rows], { left: 18 })
    expect(code([page(items, { head: head('Saturday') })])).toBe('NOT_A_HEAT_SHEET')
  })

  it('refuses an invoice and a letter', () => {
    const invoice: Cells[] = [
      [[18, 'Invoice 2031-14']],
      [
        [18, '1 Swim cap, blue'],
        [400, '12.00'],
      ],
      [
        [18, '2 Goggles, large'],
        [400, '31.50'],
      ],
      [
        [18, 'Total'],
        [400, '43.50'],
      ],
    ]
    expect(code([page(lines(invoice), { head: [] })])).toBe('NOT_A_HEAT_SHEET')
    expect(code([page(lines([[[18, 'Dear parents, warm-up is at 8.30.']]]), { head: [] })])).toBe('NOT_A_HEAT_SHEET')
  })

  it('refuses an agenda, numbered as it is', () => {
    const agenda: Cells[] = [
      [[18, 'Event 1 Opening of the pool']],
      [
        [18, '1'],
        [30, 'Welcome'],
      ],
      [
        [18, '2'],
        [30, 'Speech of the mayor'],
      ],
    ]
    expect(code([page(lines(agenda), { head: [] })])).toBe('NOT_A_HEAT_SHEET')
  })

  it('never fails otherwise, whatever a page holds', () => {
    const word = fc.constantFrom(
      ...'Event Heat # 1 2 12 of ( ) / ... Lane Name Age Team Relay Quill, Ada 1:00.00 NT 1) 2)'.split(' '),
    )
    const run = fc.tuple(
      fc.integer({ min: 0, max: 600 }),
      fc.integer({ min: 0, max: 40 }),
      fc.array(word, { minLength: 1, maxLength: 8 }),
    )
    const property = fc.property(fc.array(run, { maxLength: 60 }), (runs) => {
      const items = runs.map(([x, line, words]) => item(x, 80 + 11 * line, words.join(' ')))
      expect([expect.any(Number), 'NOT_A_HEAT_SHEET', 'UNRECOGNIZED_LAYOUT']).toContainEqual(code([page(items)]))
    })
    fc.assert(property, { numRuns: 300 })
  })

  it('refuses heat lists of another make as not readable', () => {
    const rows: Cells[] = [
      [[18, 'Event 1 - Boys Junior 200m Freestyle Relay']],
      [
        [18, 'H1 L2 (1)'],
        [70, 'Mill School'],
        [200, 'LEAGUE'],
      ],
      [
        [18, 'L3 (2)'],
        [70, 'Pond School'],
        [200, 'LEAGUE'],
      ],
    ]
    expect(code([page(lines(rows), { head: [] })])).toBe('UNRECOGNIZED_LAYOUT')
  })
})

describe('text layers', () => {
  it.each([
    ['Gri\u03D0in', 'Grifin'],
    ['Butter\u03D0ly', 'Butterfly'],
    ['\uFB01nal \uFB03', 'final ffi'],
    ['Noe\u0308l', 'Noël'],
    ['Noeël', 'Noël'],
    ['Noe¨l', 'Noël'],
    ['Zoë Renée Aäron Ōmura', 'Zoë Renée Aäron Ōmura'],
    ['na\u01AFve', 'na\u01AFve'],
    ['Quill\u00ADReed\u00A0Ada\u200B', 'Quill-Reed Ada'],
    ['Καλλιϐη', 'Καλλιϐη'],
    ['O’Dell', 'O’Dell'],
  ])('mends %s', (layer, shown) => {
    expect(normalizePdfText(layer)).toBe(shown)
  })
})
