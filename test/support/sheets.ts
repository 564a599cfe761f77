/** Documents for tests: heat sheets with invented swimmers in HY-TEK's layout, and files that are none. */
import { randomBytes } from 'node:crypto'
import PDFDocument from 'pdfkit'
import { type Cells, centred, HEADINGS, row } from '../features/heat-sheets/parser/pages.ts'

/** Who these sheets are about. Swims once in each event. */
export const SWIMMER = 'Ada Quill'
/** On every sheet as well. */
export const OTHER = 'Bo Reed'

export interface SheetOptions {
  /** Tells one sheet from another. */
  readonly meet: string
  /** An event a page; 1 unless told. */
  readonly pages?: number
  /** Number of the first event; 1 unless told. */
  readonly firstEvent?: number
  /** `M/D/YYYY`, or a range of such days. */
  readonly date?: string
  /** Puts `SWIMMER` and `OTHER` into a second heat, whose start is not printed. */
  readonly secondHeat?: boolean
  /** Numbers of events that `SWIMMER` is left out of. */
  readonly scratched?: readonly number[]
  /** As the sheet's title names it; none unless told. */
  readonly session?: string
  /** Of a picture that lies under each page, as a scanner puts it; none unless told. */
  readonly pictureBytes?: number
}

const FASTER = [row(3, 'Quill, Ada', 12, 'MILL', '59.10'), row(4, 'Reed, Bo', 11, 'POND', '59.20')]
const SLOWER = [row(5, 'Weir, Cleo', 12, 'POND', '1:01.30'), row(6, 'Sluice, Dot', 11, 'MILL', 'NT')]

const heat = (number: number, of: number, start?: string): readonly Cells[] => [
  [[0, `Heat ${number} of ${of} Finals${start === undefined ? '' : ` Starts at ${start} AM`}`]],
]

/** A heat sheet as a PDF. */
export function heatSheet(options: SheetOptions): Promise<Uint8Array> {
  const {
    meet,
    pages = 1,
    firstEvent = 1,
    date = '3/7/2031',
    session,
    secondHeat = false,
    scratched = [],
    pictureBytes = 0,
  } = options
  return pdfOf(
    Array.from({ length: pages }, (_, at) => [
      [
        [18, 'Millpond Swim Club'],
        [340, `HY-TEK's MEET MANAGER 8.0 - 9:00 AM 3/1/2031 Page ${at + 1}`],
      ],
      [centred(`${meet} - ${date}`)],
      [centred(session === undefined ? 'Meet Program' : `Meet Program - ${session}`)],
      ...[
        [[0, `Event ${firstEvent + at} Girls 11-12 100 Yard Freestyle`]] as const,
        HEADINGS,
        ...(secondHeat
          ? [...heat(1, 2, '09:05'), ...SLOWER, ...heat(2, 2), ...FASTER]
          : [...heat(1, 1, '09:05'), ...FASTER, ...SLOWER]
        ).filter((cells) => !scratched.includes(firstEvent + at) || cells !== FASTER[0]),
      ].map((cells) => cells.map(([x, text]) => [x + 18, text] as const)),
    ]),
    {},
    pictureBytes,
  )
}

/** A psych sheet of the meet of `heatSheet`, its swimmers by rank: it lists all events and says no day of any. */
export function psychSheet({ meet, pages = 1, firstEvent = 1, date = '3/7/2031 to 3/9/2031' }: SheetOptions) {
  return pdfOf([
    [
      [
        [18, 'Millpond Swim Club'],
        [340, "HY-TEK's MEET MANAGER 8.0 - 9:00 AM 3/1/2031 Page 1"],
      ],
      [centred(`${meet} - ${date}`)],
      [centred('Psych Sheet')],
      ...Array.from({ length: pages }, (_, at) => [
        [[0, `Event ${firstEvent + at} Girls 11-12 100 Yard Freestyle`]] as const,
        HEADINGS.filter(([, text]) => text !== 'Lane'),
        row(1, 'Quill, Ada', 12, 'MILL', '59.10'),
        row(2, 'Reed, Bo', 11, 'POND', '59.20'),
      ])
        .flat()
        .map((cells) => cells.map(([x, text]) => [x + 18, text] as const)),
    ],
  ])
}

/** A PDF of lines of text that are no sheet. */
export function letter(text = 'Dear parents, the pool is closed on Saturday.'): Promise<Uint8Array> {
  return pdfOf([[[[72, text]]]])
}

/** Looks like a heat sheet, in no layout that the parser knows: a swimmer takes two lines, the lane is behind the name. */
export function strangeSheet(meet: string): Promise<Uint8Array> {
  const entry = (
    lane: number,
    last: string,
    first: string,
    age: number,
    team: string,
    seed: string,
  ): readonly Cells[] => [
    [
      [0, `${last.toUpperCase()}/${first}`],
      [200, `>> lane ${lane}`],
    ],
    [
      [20, `(${age} yrs.) ${team}`],
      [200, `~ ${seed}`],
    ],
  ]
  return pdfOf([
    [
      [[0, `${meet} | 7 March 2031`]],
      [[0, 'event 4 = Girls 100 Freestyle =']],
      [[0, '-- heat 1 (09:40) --']],
      ...entry(3, 'Quill', 'Ada', 12, 'MILL', '59.10'),
      ...entry(4, 'Reed', 'Bo', 11, 'POND', '59.20'),
      [[0, '-- heat 2 (09:43) --']],
      ...entry(5, 'Weir', 'Cleo', 12, 'POND', '1:01.30'),
    ],
    [
      ...entry(6, 'Sluice', 'Dot', 11, 'MILL', '1:02.00'),
      [[0, 'event 5 = Girls 200 Medley =']],
      [[0, '-- heat 1 (10:05) --']],
      ...entry(2, 'Quill', 'Ada', 12, 'MILL', '2:31.07'),
    ],
  ])
}

/** A PDF with a drawing and no text, as a scanner makes it. */
export function scan(): Promise<Uint8Array> {
  return pdfOf([[]])
}

/** A sheet that opens only with a password. */
export function lockedSheet(): Promise<Uint8Array> {
  return pdfOf([[[[72, 'Event 1 Girls 11-12 100 Yard Freestyle']]]], { userPassword: 'mill' })
}

async function pdfOf(
  pages: readonly (readonly Cells[])[],
  options: PDFKit.PDFDocumentOptions = {},
  pictureBytes = 0,
): Promise<Uint8Array> {
  const document = new PDFDocument({ size: 'LETTER', autoFirstPage: false, ...options })
  const chunks: Uint8Array[] = []
  document.on('data', (chunk: Uint8Array) => chunks.push(chunk))
  const ended = new Promise((resolve) => document.on('end', resolve))
  for (const rows of pages) {
    document.addPage().font('Times-Roman').fontSize(8)
    if (pictureBytes > 0) document.image(picture(pictureBytes), 0, 0, { width: 612, height: 792 })
    if (rows.length === 0) document.rect(72, 72, 400, 600).fill('grey')
    for (const [i, cells] of rows.entries()) {
      for (const [x, text] of cells) document.text(text, x, 40 + 11 * i, { lineBreak: false })
    }
  }
  document.end()
  await ended
  return new Uint8Array(Buffer.concat(chunks))
}

/** A JPEG by its frame header (2,200 by 1,700 points in three colours), and noise that nothing makes smaller. */
function picture(bytes: number): Buffer {
  const header = [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0x08, 0x98, 0x06, 0xa4, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]
  return Buffer.concat([Buffer.from(header), randomBytes(bytes)])
}
