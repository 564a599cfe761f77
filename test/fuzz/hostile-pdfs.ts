/** PDFs that are wrong on purpose: each claim of the format (ISO 32000-1) that a reader might take for true, made false; and sheets damaged at random. */
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'

const latin1 = (text: string) => Buffer.from(text, 'latin1')

/** An object's text, or a stream: its dictionary without `/Length`, and its bytes. */
type Thing = string | { readonly dictionary: string; readonly bytes: Uint8Array; readonly length?: string }

/** Puts objects, numbered from 1, into a file with a right cross-reference table. The first is the catalog. */
function pdf(things: readonly Thing[], trailer = ''): Buffer {
  const parts: Buffer[] = [latin1('%PDF-1.7\n')]
  const offsets: number[] = []
  let at = parts[0]?.length ?? 0
  const add = (part: Buffer) => {
    parts.push(part)
    at += part.length
  }
  for (const [i, thing] of things.entries()) {
    offsets.push(at)
    if (typeof thing === 'string') add(latin1(`${i + 1} 0 obj\n${thing}\nendobj\n`))
    else {
      const { dictionary, bytes, length = String(bytes.length) } = thing
      add(latin1(`${i + 1} 0 obj\n<< ${dictionary} /Length ${length} >>\nstream\n`))
      add(Buffer.from(bytes))
      add(latin1('\nendstream\nendobj\n'))
    }
  }
  const start = at
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  add(latin1(`xref\n0 ${things.length + 1}\n0000000000 65535 f \n${rows}`))
  add(latin1(`trailer\n<< /Size ${things.length + 1} /Root 1 0 R ${trailer} >>\nstartxref\n${start}\n%%EOF\n`))
  return Buffer.concat(parts)
}

const CATALOG = '<< /Type /Catalog /Pages 2 0 R >>'
const PAGES = '<< /Type /Pages /Kids [3 0 R] /Count 1 >>'
const FONT = '/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>'
const page = (extra = '', resources = FONT) =>
  `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << ${resources} >> /Contents 4 0 R ${extra} >>`
const text = (body: string): Thing => ({ dictionary: '', bytes: latin1(body) })
const onePage = (content: Thing, ...more: Thing[]) => pdf([CATALOG, PAGES, page(), content, ...more])

/** As a page's content, `bytes` packed `times` over by Flate. */
function packed(bytes: Uint8Array, times: number): Thing {
  let inner = bytes
  for (let i = 0; i < times; i++) inner = deflateSync(inner, { level: 6 })
  return { dictionary: `/Filter [${'/FlateDecode '.repeat(times)}]`, bytes: inner }
}

const MB = 1_000_000
const nothing = () => new Uint8Array(600 * MB)
const letters = (count: number) => `BT /F1 8 Tf 10 700 Td ${'(Event 1 Girls) Tj 0 -9 Td '.repeat(count)} ET`
const WORDS = 'BT /F1 8 Tf 10 700 Td (Event 1 Girls 11-12 100 Yard Freestyle) Tj ET'
const at = (start: number | string) => latin1(`%PDF-1.7\n1 0 obj\n${CATALOG}\nendobj\nstartxref\n${start}\n%%EOF`)

/** By what is wrong. Made when asked for: some are large. */
export const HOSTILE_PDFS: Readonly<Record<string, () => Uint8Array>> = {
  'a tree of pages that is its own child': () => pdf([CATALOG, '<< /Type /Pages /Kids [2 0 R] /Count 1 >>']),
  'two trees of pages that are each other’s': () =>
    pdf([CATALOG, '<< /Type /Pages /Kids [3 0 R] /Count 1 >>', '<< /Type /Pages /Kids [2 0 R] /Count 1 >>']),
  'a page that is its own parent': () =>
    pdf([CATALOG, PAGES, '<< /Type /Page /Parent 3 0 R /Contents 4 0 R >>', text(WORDS)]),
  'billions of pages': () => pdf([CATALOG, '<< /Type /Pages /Kids [] /Count 2147483647 >>']),
  'a negative number of pages': () => pdf([CATALOG, '<< /Type /Pages /Kids [3 0 R] /Count -5 >>', page(), text(WORDS)]),
  'a number of pages that is a page': () =>
    pdf([CATALOG, '<< /Type /Pages /Kids [3 0 R] /Count 3 0 R >>', page(), text(WORDS)]),
  'a hundred thousand children': () =>
    pdf([CATALOG, `<< /Type /Pages /Kids [${'3 0 R '.repeat(100_000)}] /Count 100000 >>`, page(), text(WORDS)]),
  'a tree of pages a hundred thousand deep': () =>
    pdf([
      CATALOG,
      ...Array.from({ length: 100_000 }, (_, i) => `<< /Type /Pages /Kids [${i + 3} 0 R] /Count 1 >>`),
      '<< /Type /Page >>',
    ]),
  'a catalog that is not there': () => pdf(['null']),
  'a catalog that is itself': () => pdf(['1 0 R']),
  'a cross-reference table beyond the end': () => at(99_999_999),
  'a cross-reference table before the beginning': () => at(-5),
  'a cross-reference table that is where the pages are': () => at(9),
  'a chain of earlier tables that is a circle': () => {
    const whole = onePage(text(WORDS)).toString('latin1')
    const start = /startxref\n(\d+)/.exec(whole)?.[1] ?? '0'
    return latin1(whole.replace('/Root 1 0 R', `/Root 1 0 R /Prev ${start}`))
  },
  'a table of two billion objects': () =>
    latin1(
      onePage(text(WORDS))
        .toString('latin1')
        .replace(/xref\n0 \d+/, 'xref\n0 2147483647'),
    ),
  'a stream of cross-references with fields a gigabyte wide': () => {
    const stream =
      '<< /Type /XRef /Size 2147483647 /W [1000000000 1000000000 1000000000] /Index [0 2147483647] /Root 1 0 R /Length 20 >>'
    return latin1(
      `%PDF-1.7\n1 0 obj\n${CATALOG}\nendobj\n9 0 obj\n${stream}\nstream\n${'\0'.repeat(20)}\nendstream\nendobj\nstartxref\n59\n%%EOF`,
    )
  },
  'a length that is itself': () =>
    pdf([CATALOG, PAGES, page(), { dictionary: '', bytes: latin1(WORDS), length: '5 0 R' }, '5 0 R']),
  'a length of its own stream': () => onePage({ dictionary: '', bytes: latin1(WORDS), length: '4 0 R' }),
  'a length beyond the end': () => onePage({ dictionary: '', bytes: latin1(WORDS), length: '2147483647' }),
  'a negative length': () => onePage({ dictionary: '', bytes: latin1(WORDS), length: '-1' }),
  'contents that contain themselves': () => pdf([CATALOG, PAGES, page(), '[4 0 R 4 0 R 4 0 R]']),
  'contents of a hundred thousand times the same': () =>
    pdf([CATALOG, PAGES, page(), `[${'5 0 R '.repeat(100_000)}]`, text(letters(100))]),
  'a form that draws itself': () =>
    pdf([
      CATALOG,
      PAGES,
      page('', `${FONT} /XObject << /X 5 0 R >>`),
      text('/X Do'),
      {
        dictionary: '/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>',
        bytes: latin1('/X Do /X Do'),
      },
    ]),
  'forms that draw each other ten times, seven deep': () =>
    pdf([
      CATALOG,
      PAGES,
      page('', `${FONT} /XObject << /X 5 0 R >>`),
      text('/X Do'),
      ...Array.from(
        { length: 7 },
        (_, i): Thing => ({
          dictionary: `/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << ${FONT} /XObject << /X ${i + 6} 0 R >> >>`,
          bytes: latin1('/X Do '.repeat(10)),
        }),
      ),
      { dictionary: `/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << ${FONT} >>`, bytes: latin1(WORDS) },
    ]),
  'a page as large as no paper': () => pdf([CATALOG, PAGES, page('/MediaBox [-1e38 -1e38 1e38 1e38]'), text(WORDS)]),
  'a page of no size': () => pdf([CATALOG, PAGES, page('/MediaBox [0 0 0 0] /UserUnit 0 /Rotate 17'), text(WORDS)]),
  '600 MB of nothing, packed once': () => onePage(packed(nothing(), 1)),
  '600 MB of nothing, packed twice': () => onePage(packed(nothing(), 2)),
  '20 MB of text, packed': () => onePage(packed(latin1(letters(800_000)), 1)),
  'text within what a page may hold, on every page': () => {
    const kids = Array.from({ length: 400 }, () => '3 0 R ').join('')
    return pdf([CATALOG, `<< /Type /Pages /Kids [${kids}] /Count 400 >>`, page(), packed(latin1(letters(25_000)), 1)])
  },
  'a thousand filters': () =>
    onePage({ dictionary: `/Filter [${'/ASCIIHexDecode '.repeat(1_000)}]`, bytes: latin1('61>') }),
  'a filter there is not': () => onePage({ dictionary: '/Filter /NoSuchDecode', bytes: latin1(WORDS) }),
  'run lengths without end': () =>
    onePage({ dictionary: '/Filter [/RunLengthDecode /RunLengthDecode]', bytes: new Uint8Array(2 * MB).fill(129) }),
  'a predictor of billions of columns': () =>
    onePage({
      dictionary:
        '/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 2147483647 /Colors 99 /BitsPerComponent 32 >>',
      bytes: deflateSync(latin1(WORDS)),
    }),
  'LZW of random bytes': () =>
    onePage({
      dictionary: '/Filter /LZWDecode',
      bytes: Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7_919) >> 3),
    }),
  'arrays a million deep': () =>
    pdf([CATALOG, PAGES, page('/Annots 5 0 R'), text(WORDS), `${'['.repeat(MB)}${']'.repeat(MB)}`]),
  'dictionaries a hundred thousand deep': () =>
    pdf([`<< /Pages 2 0 R ${'/A << '.repeat(100_000)}${'>>'.repeat(100_000)} >>`, PAGES, page(), text(WORDS)]),
  'brackets a million deep in a text': () => onePage(text(`BT /F1 8 Tf ${'('.repeat(MB)}`)),
  'states saved two thousand times': () => onePage(packed(latin1('q '.repeat(2_000)), 1)),
  'a picture that never ends': () => onePage(text(`BI /W 1 /H 1 /BPC 8 /CS /G ID ${'x'.repeat(MB)}`)),
  'numbers that are none': () =>
    onePage(text('BT /F1 1e999 Tf --5 .. Td [(a) 99999999999999999999999 (b)] TJ 1 0 0 NaN 0 0 Tm (x) Tj ET')),
  'a font that maps billions of codes': () =>
    pdf([
      CATALOG,
      PAGES,
      page(
        '',
        '/Font << /F1 << /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /ToUnicode 5 0 R /DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>] >> >>',
      ),
      text('BT /F1 8 Tf <00010002> Tj ET'),
      text(
        '/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00000000> <FFFFFFFF> endcodespacerange 1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange endcmap',
      ),
    ]),
  'a map of codes that uses itself': () =>
    pdf([
      CATALOG,
      PAGES,
      page(
        '',
        '/Font << /F1 << /Type /Font /Subtype /Type0 /BaseFont /X /Encoding 5 0 R /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /X >>] >> >>',
      ),
      text('BT /F1 8 Tf <0001> Tj ET'),
      { dictionary: '/Type /CMap /UseCMap 5 0 R /CMapName /X', bytes: latin1('begincmap endcmap') },
    ]),
  'a glyph that is drawn with its own font': () =>
    pdf([
      CATALOG,
      PAGES,
      page('', '/Font << /F1 5 0 R >>'),
      text('BT /F1 8 Tf (aaaa) Tj ET'),
      '<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0] /CharProcs << /a 6 0 R >> /Encoding << /Differences [97 /a] >> /FirstChar 97 /LastChar 97 /Widths [1] /Resources << /Font << /F1 5 0 R >> >> >>',
      text('BT /F1 8 Tf (aa) Tj ET'),
    ]),
  'a font program of random bytes': () =>
    pdf([
      CATALOG,
      PAGES,
      page(
        '',
        '/Font << /F1 << /Type /Font /Subtype /TrueType /BaseFont /X /FirstChar 0 /LastChar 4000000000 /Widths 5 0 R /FontDescriptor << /Type /FontDescriptor /FontName /X /FontFile2 6 0 R >> >> >>',
      ),
      text(WORDS),
      `[${'500 '.repeat(500_000)}]`,
      { dictionary: '', bytes: Uint8Array.from({ length: 100_000 }, (_, i) => (i * 2_654_435_761) >>> 13) },
    ]),
  'a lock nobody knows': () =>
    pdf(
      [CATALOG, PAGES, page(), text(WORDS)],
      '/Encrypt << /Filter /NoSuchLock /V 99 /R 99 /Length -8 /O () /U () /P 0 >> /ID [() ()]',
    ),
  'a lock of the newest kind with nothing in it': () =>
    pdf(
      [CATALOG, PAGES, page(), text(WORDS)],
      `/Encrypt << /Filter /Standard /V 5 /R 6 /Length 256 /O <${'00'.repeat(48)}> /U <${'00'.repeat(48)}> /OE <${'00'.repeat(32)}> /UE <${'00'.repeat(32)}> /Perms <${'00'.repeat(16)}> /P -1 >> /ID [() ()]`,
    ),
  'a lock that is itself': () => pdf([CATALOG, PAGES, page(), text(WORDS), '5 0 R'], '/Encrypt 5 0 R /ID [() ()]'),
  'an object stream in itself': () => {
    const stream =
      '<< /Type /ObjStm /N 1000000000 /First 10 /Extends 5 0 R /Length 20 >>\nstream\n5 0 5 0 5 0 5 0 5 0 \nendstream'
    return pdf([CATALOG, PAGES, page(), text(WORDS), stream])
  },
  'only a head': () => latin1('%PDF-1.7\n'),
  'fifty thousand heads': () => latin1('%PDF-1.7\n'.repeat(50_000)),
  'objects without end': () => latin1(`%PDF-1.7\n${'1 0 obj\n<<\n'.repeat(2_000)}`),
  'ten thousand trailers': () =>
    latin1(`%PDF-1.7\n${'trailer << /Root 1 0 R /Prev 9 >>\nstartxref\n9\n%%EOF\n'.repeat(10_000)}`),
}

type Damage = (bytes: Buffer) => Buffer

const share = fc.double({ min: 0, max: 1, noNaN: true })
const place = (bytes: Buffer, where: number) => Math.floor(where * bytes.length)

/** Replaces one of what a pattern finds, the one at a share of them all. */
function replaced(bytes: Buffer, pattern: RegExp, where: number, by: (found: string) => string): Buffer {
  const whole = bytes.toString('latin1')
  const all = [...whole.matchAll(pattern)]
  const found = all[Math.floor(where * all.length)]
  if (found === undefined) return bytes
  return latin1(whole.slice(0, found.index) + by(found[0]) + whole.slice(found.index + found[0].length))
}

const NUMBERS = [
  '0',
  '-1',
  '1',
  '2147483647',
  '99999999999999999999',
  '1e9',
  '0.5',
  'null',
  '1 0 R',
  '[]',
  '<<>>',
  '()',
  '/X',
  'true',
]

/** One thing done to a PDF that was right. `other` is another one, to take pieces of. */
const damage = (other: Buffer): fc.Arbitrary<Damage> => fc.oneof(toBytes(other), toStructure())

/** Bits turned over, an end or a part cut off, a piece of another one put in. */
function toBytes(other: Buffer): fc.Arbitrary<Damage> {
  return fc.oneof(
    fc.array(fc.tuple(share, fc.nat(7)), { minLength: 1, maxLength: 20 }).map(
      (flips): Damage =>
        (bytes) => {
          const flipped = Buffer.from(bytes)
          for (const [where, bit] of flips) {
            const offset = Math.min(place(bytes, where), bytes.length - 1)
            flipped[offset] = (flipped[offset] ?? 0) ^ (1 << bit)
          }
          return flipped
        },
    ),
    share.map(
      (where): Damage =>
        (bytes) =>
          bytes.subarray(0, place(bytes, where)),
    ),
    fc.tuple(share, share).map(
      ([a, b]): Damage =>
        (bytes) => {
          const [from, to] = [place(bytes, Math.min(a, b)), place(bytes, Math.max(a, b))]
          return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
        },
    ),
    fc.tuple(share, share, share).map(
      ([a, b, where]): Damage =>
        (bytes) => {
          const piece = other.subarray(place(other, Math.min(a, b)), place(other, Math.max(a, b)))
          const offset = place(bytes, where)
          return Buffer.concat([bytes.subarray(0, offset), piece, bytes.subarray(offset)])
        },
    ),
  )
}

/** What is still written as a PDF is, and says something else. */
function toStructure(): fc.Arbitrary<Damage> {
  return fc.oneof(
    // Numbers of all kinds: lengths, counts, offsets, boxes, object numbers.
    fc.tuple(share, fc.constantFrom(...NUMBERS)).map(
      ([where, by]): Damage =>
        (bytes) =>
          replaced(bytes, /(?<=[\s[/])\d+(?=[\s\]/>])/g, where, () => by),
    ),
    // References made to name another object: circles, pages for fonts, streams for numbers.
    fc.tuple(share, fc.integer({ min: 0, max: 30 })).map(
      ([where, to]): Damage =>
        (bytes) =>
          replaced(bytes, /\d+ 0 R/g, where, () => `${to} 0 R`),
    ),
    fc
      .tuple(
        share,
        fc.constantFrom(
          '/FlateDecode',
          '/LZWDecode',
          '/ASCII85Decode',
          '/RunLengthDecode',
          '/DCTDecode',
          '/JBIG2Decode',
          '/Crypt',
        ),
      )
      .map(
        ([where, filter]): Damage =>
          (bytes) =>
            replaced(bytes, /\/FlateDecode/g, where, () => filter),
      ),
    fc.tuple(share, share).map(
      ([a, b]): Damage =>
        (bytes) => {
          const names = [...bytes.toString('latin1').matchAll(/\/[A-Z]\w+/g)].map(([name]) => name)
          const name = names[Math.floor(b * names.length)] ?? '/X'
          return replaced(bytes, /\/[A-Z]\w+/g, a, () => name)
        },
    ),
  )
}

/** `sheets`, each damaged in up to four ways. */
export function damaged(sheets: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const all = sheets.map((sheet): Buffer => Buffer.from(sheet))
  return fc
    .tuple(fc.constantFrom(...all), fc.constantFrom(...all))
    .chain(([sheet, other]) =>
      fc
        .array(damage(other), { minLength: 1, maxLength: 4 })
        .map((all) => all.reduce<Buffer>((bytes, one) => one(bytes), sheet)),
    )
}
