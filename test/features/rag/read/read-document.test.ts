import { describe, expect, it } from 'vitest'
import { MillraceError } from '../../../../src/errors.ts'
import { readDocument } from '../../../../src/features/rag/read/read-document.ts'
import type { Block, ReadDocument } from '../../../../src/features/rag/types.ts'
import { makeDocx, makeEpub, makePdf, makePptx, makeZip, slideShape, wordParagraph, wordTable } from './documents.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const read = (bytes: Uint8Array, filename = 'file') => readDocument(bytes, { filename })
/** Blocks as short lines: kind, path of headings, text. */
const lines = ({ blocks }: ReadDocument) =>
  blocks.map(({ kind, headings, text }: Block) => [kind, ...headings, text].join(' / '))

async function refusal(bytes: Uint8Array, filename = 'file'): Promise<MillraceError> {
  const error: unknown = await read(bytes, filename).catch((caught: unknown) => caught)
  if (!(error instanceof MillraceError)) throw new Error('The document was read.')
  return error
}

describe('HTML', () => {
  it('becomes headings, paragraphs, rows with the names of their columns, and code', async () => {
    const html = `<!doctype html><html lang="de"><head><title> A  house </title><style>p{}</style></head><body>
      <nav><a href="/">Home</a></nav><h1>Rooms</h1><p>One <b>word</b>less&nbsp;line<br>and more.</p>
      <h2>Kitchen</h2><ul><li>stove<li>table</ul><pre>a
  b</pre>
      <table><tr><th>Name<th>Size</tr><tr><td>hall<td>12 m²</tr><tr><td rowspan=2>bath<td>5</tr><tr><td>6</tr></table>
      <h1>Garden</h1><div>tree<div>leaf</div>end</div><script>x()</script><p hidden>no</p></body></html>`
    const document = await read(bytesOf(html))
    expect(document).toMatchObject({ title: 'A house', language: 'de', warnings: [] })
    expect(lines(document)).toEqual([
      'heading / Rooms',
      'paragraph / Rooms / One wordless line and more.',
      'heading / Rooms / Kitchen',
      'paragraph / Rooms / Kitchen / stove',
      'paragraph / Rooms / Kitchen / table',
      'code / Rooms / Kitchen / a\n  b',
      'row / Rooms / Kitchen / Name: hall; Size: 12 m²',
      'row / Rooms / Kitchen / Name: bath; Size: 5',
      'row / Rooms / Kitchen / Name: bath; Size: 6',
      'heading / Garden',
      'paragraph / Garden / tree',
      'paragraph / Garden / leaf',
      'paragraph / Garden / end',
    ])
  })

  it('is read where tags are left out or layouts are made of tables', async () => {
    const html = '<html><head><title>T</title><p>first<table><tr><td><table><tr><td>inner</table></td></tr></table>last'
    expect(lines(await read(bytesOf(html)))).toEqual(['paragraph / first', 'paragraph / inner', 'paragraph / last'])
  })

  it('is decoded as it declares, as its mark says, or as its bytes look', async () => {
    const latin = Buffer.from('<html><meta charset="iso-8859-1"><p>caf\u00e9 \u00fcber', 'latin1')
    expect(lines(await read(new Uint8Array(latin)))).toEqual(['paragraph / café über'])
    const wide = Buffer.from('\uFEFFgrüße aus köln', 'utf16le')
    expect(lines(await read(new Uint8Array(wide)))).toEqual(['paragraph / grüße aus köln'])
    const declared = await readDocument(new Uint8Array([0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2]), {
      filename: 'a.txt',
      contentType: 'text/plain; charset=windows-1251',
    })
    expect(lines(declared)).toEqual(['paragraph / Привет'])
    const guessed = await read(
      new Uint8Array(Buffer.from('cr\u00e8me br\u00fbl\u00e9e et caf\u00e9', 'latin1')),
      'a.txt',
    )
    expect(lines(guessed)).toEqual(['paragraph / crème brûlée et café'])
    expect(guessed.warnings).toEqual([expect.stringMatching(/^Read as (?:iso-8859-1|windows-1252), .*UTF-8/)])
  })
})

describe('texts', () => {
  it('Markdown keeps its headings, tables and code', async () => {
    const text =
      '---\ntitle: "Notes"\n---\n# One\n\ntext\nwrapped\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode  x\n```\n'
    const document = await read(bytesOf(text), 'notes.md')
    expect(document.title).toBe('Notes')
    expect(lines(document)).toEqual([
      'heading / One',
      'paragraph / One / text wrapped',
      'row / One / a: 1; b: 2',
      'code / One / code  x',
    ])
  })

  it('plain text has a paragraph between empty lines', async () => {
    expect(lines(await read(bytesOf('one\r\ntwo\r\n\r\nthree\n \nfour'), 'a.txt'))).toEqual([
      'paragraph / one two',
      'paragraph / three',
      'paragraph / four',
    ])
  })

  it.each([',', ';', '\t', '|'])('CSV separated by %j names the columns in each row', async (separator) => {
    const text = [
      ['Name', 'Born'],
      ['"Ada, a; b|c"', '1815'],
      ['', ''],
    ]
      .map((row) => row.join(separator))
      .join('\r\n')
    expect(lines(await read(bytesOf(text), 'people.csv'))).toEqual(['row / Name: Ada, a; b|c; Born: 1815'])
  })

  it('JSON is a row for each record, whose numbers keep their digits', async () => {
    const text =
      '{"made":"today","people":[{"name":"Ada","id":9007199254740993,"tags":["a","b"]},{"name":"Bo","at":{"city":"Oslo"}}]}'
    expect(lines(await read(bytesOf(text), 'x'))).toEqual([
      'row / made: today',
      'heading / people',
      'row / people / name: Ada; id: 9007199254740993; tags: a, b',
      'row / people / name: Bo; at.city: Oslo',
    ])
    expect(lines(await read(bytesOf('{"a":1}\n\n{"a":2}\n'), 'x.jsonl'))).toEqual(['row / a: 1', 'row / a: 2'])
  })

  it('captions know their seconds; tags go, and lines that roll up are read once', async () => {
    const vtt = `WEBVTT

00:01.000 --> 00:03.000
<v Ada>Hello &amp; welcome

00:03.000 --> 00:05.500
Hello &amp; welcome
to the show.

01:00.000 --> 01:02.000
Later.
`
    expect((await read(bytesOf(vtt))).blocks).toEqual([
      { kind: 'paragraph', text: 'Hello & welcome to the show.', headings: [], startSeconds: 1, endSeconds: 5.5 },
      { kind: 'paragraph', text: 'Later.', headings: [], startSeconds: 60, endSeconds: 62 },
    ])
    const srt = '1\n00:00:01,000 --> 00:00:02,500\n{\\an8}One\n\n2\n00:00:02,500 --> 00:00:04,000\ntwo\n'
    expect((await read(bytesOf(srt))).blocks).toEqual([
      { kind: 'paragraph', text: 'One two', headings: [], startSeconds: 1, endSeconds: 4 },
    ])
  })

  it('captions keep their segments, in the JSON of YouTube too, whose lines are shown while the next is spoken', async () => {
    const json3 = JSON.stringify({
      wireMagic: 'pb3',
      pens: [{}],
      events: [
        { tStartMs: 0, dDurationMs: 60_000, id: 1, wpWinPosId: 1 },
        { tStartMs: 1_200, dDurationMs: 5_000, segs: [{ utf8: 'the pump' }, { utf8: ' is new', tOffsetMs: 400 }] },
        { tStartMs: 3_000, aAppend: 1, segs: [{ utf8: '\n' }] },
        { tStartMs: 3_500, dDurationMs: 2_000, segs: [{ utf8: 'and quiet' }] },
        { segs: [{ utf8: 'no time' }] },
      ],
    })
    const read3 = await read(bytesOf(json3), 'talk.en.json3')
    expect(read3.segments).toEqual([
      { start: 1.2, end: 3.5, text: 'the pump is new' },
      { start: 3.5, end: 5.5, text: 'and quiet' },
    ])
    expect(read3.warnings).toEqual(['1 events of these captions could not be read.'])
    expect(read3.blocks).toEqual([
      { kind: 'paragraph', text: 'the pump is new and quiet', headings: [], startSeconds: 1.2, endSeconds: 5.5 },
    ])
    const vtt = 'WEBVTT\n\n00:01.000 --> 00:03.000\nHello\n\n00:03.000 --> 00:05.500\nHello\nto all.\n'
    expect((await read(bytesOf(vtt))).segments).toEqual([
      { start: 1, end: 3, text: 'Hello' },
      { start: 3, end: 5.5, text: 'to all.' },
    ])
    await expect(read(bytesOf('{"wireMagic":"pb3","events":[]}'))).rejects.toMatchObject({
      code: 'UNREADABLE_DOCUMENT',
    })
  })

  it('mail names who wrote it, and what is attached and was not read', async () => {
    const mail = [
      'From: Ada <ada@example.org>',
      'To: Bo <bo@example.org>',
      'Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=x',
      '',
      '--x',
      'Content-Type: text/html; charset=utf-8',
      '',
      '<p>See you <b>Monday</b>.</p>',
      '--x',
      'Content-Type: application/pdf; name=plan.pdf',
      'Content-Disposition: attachment; filename=plan.pdf',
      '',
      'JVBERi0=',
      '--x--',
    ].join('\r\n')
    const document = await read(bytesOf(mail))
    expect(document.title).toBe('Grüße')
    expect(lines(document)).toEqual([
      'heading / Grüße',
      'paragraph / Grüße / From: Ada <ada@example.org>; To: Bo <bo@example.org>',
      'paragraph / Grüße / See you Monday.',
    ])
    expect(document.warnings).toEqual([expect.stringContaining('plan.pdf')])
  })
})

describe('office files and books', () => {
  it('Word: headings by style in every language, lists and tables', async () => {
    const body =
      wordParagraph('Report', 'berschrift1') +
      wordParagraph('It rained.') +
      wordParagraph('Costs', 'berschrift2') +
      wordTable([
        ['Item', 'Price'],
        ['Umbrella', '12'],
      ])
    const core = '<cp:coreProperties><dc:title>Weather</dc:title></cp:coreProperties>'
    const document = await read(makeDocx(body, core))
    expect(document.title).toBe('Weather')
    expect(lines(document)).toEqual([
      'heading / Report',
      'paragraph / Report / It rained.',
      'heading / Report / Costs',
      'row / Report / Costs / Item: Umbrella; Price: 12',
    ])
  })

  it('PowerPoint: slides in the order of the show, with notes and without what repeats', async () => {
    const first = slideShape(['Plan'], 'title') + slideShape(['Buy land', 'Build']) + slideShape(['7'], 'sldNum')
    const second = `${slideShape(['Money'], 'ctrTitle')}<a:tbl><a:tr><a:tc><a:p><a:r><a:t>Year</a:t></a:r></a:p></a:tc><a:tc><a:p><a:r><a:t>Sum</a:t></a:r></a:p></a:tc></a:tr><a:tr><a:tc><a:p><a:r><a:t>2030</a:t></a:r></a:p></a:tc><a:tc><a:p><a:r><a:t>5</a:t></a:r></a:p></a:tc></a:tr></a:tbl>`
    const document = await read(makePptx([first, second], { 1: slideShape(['say it slowly'], 'body') }))
    expect(document.title).toBe('Plan')
    expect(document.blocks.map(({ page, text }) => `${page} ${text}`)).toEqual([
      '1 Plan',
      '1 Buy land',
      '1 Build',
      '2 Money',
      '2 Year: 2030; Sum: 5',
      '2 say it slowly',
    ])
  })

  it('EPUB: chapters in the order of the spine; copy protection is named', async () => {
    const document = await read(makeEpub('Sea', ['<h1>One</h1><p>wave</p>', '<h1>Two</h1><p>shore</p>']))
    expect(document).toMatchObject({ title: 'Sea', language: 'en' })
    expect(lines(document)).toEqual([
      'heading / One',
      'paragraph / One / wave',
      'heading / Two',
      'paragraph / Two / shore',
    ])
    const encryption =
      '<encryption><enc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></encryption>'
    const locked = await refusal(makeEpub('Sea', ['<p>x</p>'], { 'META-INF/encryption.xml': encryption }))
    expect(locked).toMatchObject({ code: 'UNREADABLE_DOCUMENT', message: expect.stringContaining('DRM') })
  })
})

describe('PDF', () => {
  it('joins lines to paragraphs, knows headings by their size and leaves running heads out', async () => {
    const text = 'The river rises in spring and floods the low meadows for several weeks. '.repeat(6)
    const pdf = await makePdf((page) => {
      for (let number = 1; number <= 4; number++) {
        if (number > 1) page.addPage()
        page.fontSize(9).text('River board, annual report', 72, 30).text(`${number}`, 290, 800, { lineBreak: false })
        page.fontSize(18).text(`Chapter ${number} of water`, 72, 90)
        page
          .fontSize(11)
          .text(text, 72, 130, { width: 300 })
          .moveDown(1)
          .text('A second paragraph stands here.', { width: 300 })
      }
    })
    const { blocks } = await read(pdf, 'river.pdf')
    expect(blocks.map(({ kind, page, text: line }) => `${page} ${kind} ${line}`)).toEqual(
      [1, 2, 3, 4].flatMap((number) => [
        `${number} heading Chapter ${number} of water`,
        `${number} paragraph ${text.trim()}`,
        `${number} paragraph A second paragraph stands here.`,
      ]),
    )
    expect(blocks[1]?.headings).toEqual(['Chapter 1 of water'])
  })

  it('reads columns one after the other and makes hyphenated words whole', async () => {
    const pdf = await makePdf((page) => {
      page.fontSize(11)
      const write = (x: number, column: string[]) => {
        for (const [row, line] of column.entries()) page.text(line, x, 100 + row * 14, { lineBreak: false })
      }
      write(72, [
        'Left column begins with a hyphen-',
        'ated word and goes on to the end',
        'of the left column, which is not',
        'the end of its sentence because',
      ])
      write(320, ['it goes on in the right column.'])
    })
    expect(lines(await read(pdf))).toEqual([
      'paragraph / Left column begins with a hyphenated word and goes on to the end of the left column, which is not the end of its sentence because it goes on in the right column.',
    ])
  })

  it('says which pages hold no text, and refuses a PDF of pictures', async () => {
    const some = await makePdf((page) => {
      page.text('Words.').addPage().rect(10, 10, 50, 50).fill().addPage().addPage().text('More.')
    })
    expect((await read(some)).warnings).toEqual(['No text on pages 2–3: pictures or empty pages, which were not read.'])
    const none = await makePdf((page) => {
      page.rect(10, 10, 50, 50).fill()
    })
    expect(await refusal(none)).toMatchObject({ code: 'NO_TEXT', message: expect.stringContaining('OCR') })
  })
})

describe('what is not read', () => {
  it.each([
    ['a picture', new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10]), 'UNSUPPORTED_MEDIA_TYPE', 'picture'],
    ['a recording', bytesOf('ID3\u0003'), 'UNSUPPORTED_MEDIA_TYPE', 'transcript'],
    ['an MP4', bytesOf('\0\0\0\u0020ftypisom'), 'UNSUPPORTED_MEDIA_TYPE', 'recording'],
    ['an old Word file', new Uint8Array([0xd0, 0xcf, 0x11, 0xe0, 0xa1]), 'UNSUPPORTED_MEDIA_TYPE', 'DOCX'],
    ['bytes that no text has', Uint8Array.from({ length: 4096 }, (_, at) => at), 'UNSUPPORTED_MEDIA_TYPE', 'binary'],
    ['an Excel workbook', makeZip({ 'xl/workbook.xml': '<x/>' }), 'UNSUPPORTED_MEDIA_TYPE', 'CSV'],
    ['an archive of something', makeZip({ 'a.txt': 'x' }), 'UNSUPPORTED_MEDIA_TYPE', 'Unpack'],
    ['an empty file', new Uint8Array(), 'UNREADABLE_DOCUMENT', 'empty'],
    ['a text of blanks', bytesOf(' \n\t\n'), 'NO_TEXT', 'no text'],
    ['half a Word file', makeDocx(wordParagraph('x')).subarray(0, 300), 'UNREADABLE_DOCUMENT', 'damaged'],
    ['a JSON file that is none', bytesOf('{"a":'), 'UNREADABLE_DOCUMENT', 'JSON'],
  ])('%s is refused with the way out', async (_, bytes, code, word) => {
    expect(await refusal(bytes, 'x.json')).toMatchObject({ code, message: expect.stringContaining(word) })
  })

  it('a container that says it unpacks to more than memory holds, or that holds more than it says', async () => {
    const docx = makeDocx(wordParagraph('many words '.repeat(10_000)))
    expect(await refusal(withDeclaredSize(docx, 120 * 1024 * 1024))).toMatchObject({ code: 'TOO_LARGE' })
    expect(await refusal(withDeclaredSize(docx, 1_000))).toMatchObject({ code: 'UNREADABLE_DOCUMENT' })
  })
})

/** A container in whose directory the last entry, which is the document, has another size (APPNOTE 4.3.12: bytes 24 to 27 of its header). */
function withDeclaredSize(container: Uint8Array, size: number): Uint8Array {
  const copy = Buffer.from(container)
  copy.writeUInt32LE(size, copy.lastIndexOf('PK\x01\x02', undefined, 'latin1') + 24)
  return new Uint8Array(copy)
}
