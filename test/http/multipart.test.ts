import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MultipartFile, readMultipart } from '../../src/http/request/multipart.ts'
import { bytesOf, errorOf, fileForm, LIMITS, MB, part, requestOf, seenIn } from './multipart-forms.ts'

describe('what a form holds', () => {
  it.each([
    [
      'a file with content and no name',
      part('form-data; name="pdfs"; filename=""', 'x'),
      /Part 1 \("pdfs"\).*without a file name/,
    ],
    [
      'bytes of no type and no name',
      part('form-data; name="f"', 'x', 'content-type: application/octet-stream\r\n'),
      /Part 1 .*without a file name/,
    ],
    [
      'a quote that is not closed',
      part('form-data; name="f"; filename="x.pdf', 'x'),
      /Part 1 .*filename whose quotes are not closed/,
    ],
    ['NUL in a file name', part('form-data; name="f"; filename="x\0.pdf"', 'x'), /Part 1 .*NUL/],
    ['NUL in an encoded file name', part("form-data; name=f; filename*=UTF-8''x%00.pdf", 'x'), /Part 1 .*NUL/],
    ['no name', part('form-data; filename="x.pdf"', 'x'), /Part 1 .*no name/],
    ['no disposition', '--XX\r\nContent-Type: text/plain\r\n\r\nx\r\n', /Part 1 .*no Content-Disposition/],
    ['another disposition', part('attachment; name="x"', 'x'), /Part 1 .*not form-data/],
    ['two names', part('form-data; name="a"; name="b"', 'x'), /Part 1 .*name twice/],
    [
      'a charset that is not taken',
      part('form-data; name="a"', 'x', 'Content-Type: text/plain; charset=big5\r\n'),
      /part 1 \("a"\).*big5.*utf-16le/,
    ],
  ])('is refused, the part named, where one has %s', async (_, bad, message) => {
    const good = part('form-data; name="swimmer"', 'A B')
    for (const body of [`${bad}--XX--`, `${bad}${good}--XX--`]) {
      await expect(seenIn(requestOf(body))).rejects.toThrow(message)
    }
    const counted = new RegExp(message.source.replace('1', '2'))
    await expect(seenIn(requestOf(`${good}${bad}--XX--`))).rejects.toThrow(counted)
  })

  it('passes over a file input that was left empty, and nothing else', async () => {
    const empty = part('form-data; name="pdfs"; filename=""', '', 'Content-Type: application/octet-stream\r\n')
    expect(await seenIn(requestOf(`${empty}${part('form-data; name="a"', '1')}--XX--`))).toEqual([
      { field: 'a', value: '1' },
    ])
  })

  it('reads a FormData as the platform wrote it, in order', async () => {
    const form = new FormData()
    form.append('swimmer', 'Zoë Žižek')
    form.append('pdfs', new File(['one'], 'añb "q" \\ %41 名.pdf', { type: 'application/pdf' }))
    form.append('empty', '')
    form.append('pdfs', new File([], '', { type: '' }))
    form.append('two\nlines "x"', 'a\r\nb')
    const seen = await seenIn(new Request('http://localhost/', { method: 'POST', body: form }))
    expect(seen).toEqual([
      { field: 'swimmer', value: 'Zoë Žižek' },
      { file: 'pdfs', filename: 'añb "q" \\ %41 名.pdf', contentType: 'application/pdf', text: 'one' },
      { field: 'empty', value: '' },
      { field: 'two\r\nlines "x"', value: 'a\r\nb' },
    ])
  })

  it('reads a form without parts', async () => {
    expect(await seenIn(requestOf('--XX--\r\n'))).toEqual([])
    expect(await seenIn(requestOf('--XX--'))).toEqual([])
  })

  it('reads past what comes before and after the form', async () => {
    const body = `before\r\n${part('form-data; name="a"', '1')}--XX--\r\nafter\r\n--XX\r\nContent-Disposition: nonsense`
    expect(await seenIn(requestOf(body))).toEqual([{ field: 'a', value: '1' }])
  })

  it.each([
    ['form-data; name="f"; filename="a \\"b\\" \\\\ c.pdf"', 'a "b" \\ c.pdf'],
    ['form-data; name="f"; filename="a%22b%22%0D%0A%20.pdf"', 'a"b"\r\n%20.pdf'],
    ['form-data; name="f"; filename="C:\\docs\\a.pdf"', 'C:\\docs\\a.pdf'],
    ['form-data; name="f"; filename="a; filename=b.pdf"', 'a; filename=b.pdf'],
    ['form-data; name="f"; filename=plain.pdf', 'plain.pdf'],
    ['form-data; filename="日本.pdf"; name="f"', '日本.pdf'],
    ['form-data; name=f; filename="x.pdf"; filename*=UTF-8\'\'%E6%97%A5%20a.pdf', '日 a.pdf'],
    ['form-data; name=f; filename="x.pdf"; filename*=latin1\'\'E6', 'x.pdf'],
    ["FORM-DATA;name=f;FileName*=iso-8859-1'en'Z%FCrich.pdf", 'Zürich.pdf'],
  ])('takes the name out of %s', async (disposition, filename) => {
    const body = `${part(disposition, 'x', 'content-type:  Application/PDF; v=1\r\n')}--XX--\r\n`
    expect(await seenIn(requestOf(body))).toEqual([{ file: 'f', filename, contentType: 'application/pdf', text: 'x' }])
  })

  it.each([`"a b:c/d=e'()+_,-.?"`, '----WebKitFormBoundaryAb', '"=====-=="', 'a:b/c'])(
    'takes the boundary %s',
    async (boundary) => {
      const body = fileForm('\r\n--X\r\n-').replaceAll('--XX', `--${boundary.replaceAll('"', '')}`)
      expect(await seenIn(requestOf(body, boundary))).toMatchObject([{ text: '\r\n--X\r\n-' }])
    },
  )
})

describe('bytes in any pieces', () => {
  const tricky = bytesOf(
    [
      part('form-data; name="a-"', 'hel-lo', 'X-More:  y\r\n'),
      part(
        'form-data; name="f"; filename="ž \\"x\\".pdf"',
        '\r\n--X\r\n\r-\n--\r\n--X-',
        'Content-Type: application/pdf\r\n',
      ),
      part('form-data; name="e"', ''),
      '--XX--\r\nepilogue',
    ].join(''),
  )

  it('reads the same whatever the two pieces', async () => {
    const expected = await seenIn(requestOf(tricky))
    expect(expected).toHaveLength(3)
    for (let at = 0; at <= tricky.length; at++) {
      expect(await seenIn(requestOf([tricky.subarray(0, at), tricky.subarray(at)])), `cut at ${at}`).toEqual(expected)
    }
    for (let size = 1; size < 70; size++) {
      const pieces: Uint8Array[] = []
      for (let at = 0; at < tricky.length; at += size) pieces.push(tricky.subarray(at, at + size))
      expect(await seenIn(requestOf(pieces)), `pieces of ${size}`).toEqual(expected)
    }
  })

  it('gives back any content, cut anywhere', async () => {
    const content = fc
      .array(fc.constantFrom('\r', '\n', '-', '--', 'X', '\r\n--X', '\r\n--', 'a', ' '))
      .map((all) => all.join(''))
    await fc.assert(
      fc.asyncProperty(fc.array(content, { maxLength: 4 }), fc.array(fc.nat(400)), async (contents, cuts) => {
        fc.pre(contents.every((text) => !`\r\n${text}\r\n`.includes('\r\n--XX')))
        const body = bytesOf(`${contents.map((text) => part('form-data; name=f; filename=a', text)).join('')}--XX--`)
        const at = [0, ...cuts.filter((cut) => cut < body.length), body.length].sort((a, b) => a - b)
        const pieces = at.slice(1).map((end, i) => body.subarray(at[i], end))
        expect((await seenIn(requestOf(pieces))).map((seen) => 'text' in seen && seen.text)).toEqual(contents)
      }),
      { numRuns: 500 },
    )
  })

  it('calls a form cut off at any place INVALID_REQUEST, and the file body fails with it', async () => {
    const whole = fileForm('content')
    for (let at = 0; at < whole.indexOf('--XX--') + 6; at++) {
      let bodyError: unknown
      const onFile = async ({ body }: MultipartFile) => {
        await new Response(body).text().catch((error: unknown) => {
          bodyError = error
        })
      }
      const reading = readMultipart(requestOf([bytesOf(whole.slice(0, at))]), LIMITS, { onField: () => {}, onFile })
      const error = await errorOf(reading)
      expect(error.code, `cut at ${at}`).toBe('INVALID_REQUEST')
      if (at > 80 && at < whole.indexOf('\r\n--XX--')) expect(bodyError, `cut at ${at}`).toBe(error)
    }
  })
})

describe('what is refused', () => {
  it.each([
    ['application/json', 'UNSUPPORTED_MEDIA_TYPE'],
    ['multipart/mixed; boundary=XX', 'UNSUPPORTED_MEDIA_TYPE'],
    ['multipart/form-data', 'INVALID_REQUEST'],
    ['multipart/form-data; boundary=""', 'INVALID_REQUEST'],
    [`multipart/form-data; boundary=${'x'.repeat(71)}`, 'INVALID_REQUEST'],
  ])('the content type %s as %s', async (type, code) => {
    expect((await errorOf(seenIn(requestOf(fileForm('x'), 'XX', { 'content-type': type })))).code).toBe(code)
  })

  it('no body at all', async () => {
    const request = new Request('http://localhost/', {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=XX' },
    })
    expect((await errorOf(seenIn(request))).code).toBe('INVALID_REQUEST')
  })

  it.each([
    ['another boundary', fileForm('x').replaceAll('XX', 'YY')],
    ['no disposition', '--XX\r\nContent-Type: text/plain\r\n\r\nx\r\n--XX--'],
    ['no name', `${part('form-data', 'x')}--XX--`],
    ['another disposition', `${part('attachment; name="x"', 'x')}--XX--`],
    ['a quote that never closes', `${part(`form-data; name="${'\\'.repeat(8_000)}`, 'x')}--XX--`],
    ['a bad extended name', `${part("form-data; name=f; filename*=UTF-8''%E6%9", 'x')}--XX--`],
    ['headers that are none', '--XX\r\nwhat is this\r\n\r\nx\r\n--XX--'],
    ['endless headers', `--XX\r\nX: ${'y'.repeat(20_000)}\r\n\r\nx\r\n--XX--`],
    ['a flood after the end', `${fileForm('x')}${'y'.repeat(200_000)}`],
  ])('%s', async (_, body) => {
    expect((await errorOf(seenIn(requestOf(body)))).code).toBe('INVALID_REQUEST')
  })

  it('a field over its limit', async () => {
    const body = `${part('form-data; name="a"', 'x'.repeat(1024))}${part('form-data; name="b"', 'x'.repeat(1025))}--XX--`
    const error = await errorOf(seenIn(requestOf(body)))
    expect(error).toMatchObject({ code: 'TOO_LARGE', details: { field: 'b', limit: 1024 } })
    expect(error.message).toBe('The field "b" is larger than 1024 bytes.')
  })

  it('a file over its limit, whose body fails with the same error', async () => {
    let bodyError: unknown
    const reading = readMultipart(requestOf(fileForm('x'.repeat(MB + 1))), LIMITS, {
      onField: () => {},
      onFile: async ({ body }) => {
        try {
          for await (const _ of body);
        } catch (error) {
          bodyError = error
          throw new Error('a consequence, not the cause')
        }
      },
    })
    const error = await errorOf(reading)
    expect(error).toMatchObject({ code: 'TOO_LARGE', details: { field: 'f', filename: 'a.bin', limit: MB } })
    expect(error.message).toBe('The file "a.bin" is larger than 1 MB.')
    expect(bodyError).toBe(error)
    expect(await seenIn(requestOf(fileForm('x'.repeat(MB))))).toHaveLength(1)
  })

  it('too many parts', async () => {
    const parts = (count: number) => `${part('form-data; name="a"', '1').repeat(count)}--XX--`
    expect(await seenIn(requestOf(parts(10)))).toHaveLength(10)
    expect(await errorOf(seenIn(requestOf(parts(11))))).toMatchObject({ code: 'TOO_LARGE', details: { limit: 10 } })
  })

  it('a request over the limit, said or sent', async () => {
    const limits = { ...LIMITS, maxTotal: { bytes: 500, setting: 'MAX_UPLOAD_BYTES' } }
    const said = requestOf(fileForm('x'), 'XX', { 'content-length': '501' })
    expect(await errorOf(seenIn(said, limits))).toMatchObject({ code: 'TOO_LARGE', details: { limit: 500 } })
    const sent = requestOf([bytesOf(fileForm('x'.repeat(500)))])
    const error = await errorOf(seenIn(sent, limits))
    expect(error.code).toBe('TOO_LARGE')
    expect(error.message).toBe(
      'The whole form is larger than 500 bytes (MAX_UPLOAD_BYTES). Send its files in several forms.',
    )
    expect(await seenIn(requestOf(fileForm('x'.repeat(100))), limits)).toHaveLength(1)
  })
})
