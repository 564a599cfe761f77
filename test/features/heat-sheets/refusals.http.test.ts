/** Forms that are refused: by which code, in what words, and that nothing of them is kept. */
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ErrorBody } from '../../../src/http/response/error-bodies.ts'
import { errorOf, formOf, post } from '../../support/batches.ts'
import { curl, freshFolder, ON_CLOUDFLARE, startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'

const MB = 1024 * 1024

let server: TestServer
let folder: string
let sheet: Uint8Array
beforeAll(async () => {
  server = await startServer()
  folder = await freshFolder()
  sheet = await heatSheet({ meet: 'Millpond Open' })
})
afterAll(() => server[Symbol.asyncDispose]())
afterEach(async () => expect(await server.blobs()).toEqual([]))

/** A file of this size, which takes no room on the disk. */
async function largeFile(name: string, bytes: number): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, '%PDF-1.7\n')
  await truncate(path, bytes)
  return path
}

/** What curl brings back for a form: the status, and the body as an error of this surface. */
async function refusalOf(...args: string[]) {
  const answer = await curl(['-w', '\n%{http_code}', `${server.url}/api/batch/extract`, ...args])
  const [body = '', status] = answer.split('\n')
  return { status: Number(status), ...ErrorBody.parse(JSON.parse(body)) }
}

const pdf = () => ({ name: 'a.pdf', bytes: sheet })

describe('a form is refused', () => {
  it.each([
    ['without a swimmer', () => formOf({ pdfs: [pdf()] }), 400, 'MISSING_SWIMMER', 'swimmer', /swimmer/],
    [
      'with a blank swimmer',
      () => formOf({ swimmer: ' \t', pdfs: [pdf()] }),
      400,
      'MISSING_SWIMMER',
      'swimmer',
      /missing or empty/,
    ],
    [
      'with a swimmer of no letters',
      () => formOf({ swimmer: '-?-', pdfs: [pdf()] }),
      400,
      'MISSING_SWIMMER',
      'swimmer',
      /letters/,
    ],
    [
      'with too long a name',
      () => formOf({ swimmer: 'a'.repeat(201), pdfs: [pdf()] }),
      400,
      'INVALID_REQUEST',
      'swimmer',
      /200/,
    ],
    ['without documents', () => formOf({ swimmer: SWIMMER }), 400, 'NO_PDFS', 'pdfs', /at least one/],
    ['with an empty list of links', () => formOf({ swimmer: SWIMMER, urls: [] }), 400, 'NO_PDFS', 'pdfs', /"urls"/],
    [
      'with only an empty file input',
      () => formOf({ swimmer: SWIMMER, pdfs: [{ name: '', bytes: '' }] }),
      400,
      'NO_PDFS',
      'pdfs',
      /"pdfs"/,
    ],
    [
      'with a link that is none',
      () => formOf({ swimmer: SWIMMER, pdfs: [pdf()], urls: ['heats.pdf'] }),
      400,
      'INVALID_REQUEST',
      'urls',
      /urls\[0\].*heats\.pdf/,
    ],
  ])('%s', async (_, form, status, error, field, message) => {
    expect(await errorOf(await post(server, form()))).toEqual({
      status,
      success: false,
      error,
      field,
      message: expect.stringMatching(message),
    })
  })

  it.each([
    'https://example.com/a.pdf',
    '{"url":"https://example.com"}',
    '["https://example.com"',
    '[1]',
    'null',
    '"x"',
  ])('when "urls" is %s', async (urls) => {
    const form = formOf({ swimmer: SWIMMER, pdfs: [pdf()] })
    form.append('urls', urls)
    expect(await errorOf(await post(server, form))).toMatchObject({
      status: 400,
      error: 'INVALID_REQUEST',
      field: 'urls',
      message: expect.stringContaining('JSON array'),
    })
  })

  it('over a hundred documents, files and links together', async () => {
    const pdfs = Array.from({ length: 60 }, (_, i) => ({ name: `${i}.pdf`, bytes: `%PDF-1.7 ${i}` }))
    const urls = Array.from({ length: 41 }, (_, i) => `http://127.0.0.1:9/${i}.pdf`)
    expect(await errorOf(await post(server, formOf({ swimmer: SWIMMER, pdfs, urls })))).toMatchObject({
      status: 400,
      error: 'BATCH_TOO_LARGE',
      message: expect.stringContaining('100 documents'),
    })
  })

  it('for more than 50 swimmers, and for one of several without letters', async () => {
    const names = Array.from({ length: 51 }, (_, i) => `Swimmer ${i}`)
    expect(await errorOf(await post(server, formOf({ swimmer: names, pdfs: [pdf()] })))).toMatchObject({
      status: 400,
      error: 'BATCH_TOO_LARGE',
      field: 'swimmer',
      message: expect.stringContaining('50 swimmers'),
    })
    expect(await errorOf(await post(server, formOf({ swimmer: [SWIMMER, '-?-'], pdfs: [pdf()] })))).toMatchObject({
      status: 400,
      error: 'MISSING_SWIMMER',
      field: 'swimmer',
    })
  })

  it('when its files stand in another field, and says which is right', async () => {
    const form = formOf({ swimmer: SWIMMER })
    form.append('file', new Blob([sheet.slice()]), 'a.pdf')
    expect(await errorOf(await post(server, form))).toMatchObject({
      status: 400,
      field: 'file',
      message: expect.stringContaining('"pdfs"'),
    })
  })

  it('when a path was sent in place of the file', async () => {
    const refusal = await refusalOf('-F', `swimmer=${SWIMMER}`, '-F', 'pdfs=heats.pdf')
    expect(refusal).toMatchObject({ status: 400, field: 'pdfs', message: expect.stringContaining('pdfs=@heats.pdf') })
  })
})

describe('a body is refused', () => {
  it.each([
    ['JSON', 'application/json', '{"swimmer":"x"}'],
    ['a plain form', 'application/x-www-form-urlencoded', 'swimmer=x'],
    ['bytes', 'application/pdf', '%PDF-1.7'],
  ])('that is %s', async (_, type, body) => {
    expect(await errorOf(await post(server, body, { 'Content-Type': type }))).toMatchObject({
      status: 415,
      error: 'UNSUPPORTED_MEDIA_TYPE',
      message: expect.stringContaining('multipart/form-data'),
    })
  })

  it.each([
    ['without a boundary', 'multipart/form-data', 'x'],
    ['that is no form', 'multipart/form-data; boundary=XX', 'x'],
    [
      'that is cut off',
      'multipart/form-data; boundary=XX',
      '--XX\r\nContent-Disposition: form-data; name="pdfs"; filename="a.pdf"\r\n\r\n%PDF-',
    ],
    ['that is empty', 'multipart/form-data; boundary=XX', ''],
  ])('%s', async (_, type, body) => {
    expect(await errorOf(await post(server, body, { 'Content-Type': type }))).toMatchObject({
      status: 400,
      error: 'INVALID_REQUEST',
    })
  })

  it('by another method than POST', async () => {
    const response = await server.fetch('/api/batch/extract')
    expect(response.headers.get('allow')).toBe('POST')
    expect(await errorOf(response)).toMatchObject({ status: 405, error: 'METHOD_NOT_ALLOWED' })
  })

  it('and forgotten when the client goes away in the middle of a file', async () => {
    const socket = connect(server.port, '127.0.0.1')
    const head = `POST /api/batch/extract HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${5 * MB}\r\nContent-Type: multipart/form-data; boundary=XX\r\n\r\n`
    socket.write(`${head}--XX\r\nContent-Disposition: form-data; name="pdfs"; filename="a.pdf"\r\n\r\n`)
    socket.write(new Uint8Array(MB))
    // On Cloudflare a blob is seen only when it is whole, so there is nothing to wait for.
    while (!ON_CLOUDFLARE && (await server.blobs()).length === 0)
      await new Promise((resolve) => setTimeout(resolve, 10))
    socket.destroy()
    while ((await server.blobs()).length > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  })
})

describe('large files', () => {
  /** The most memory the server has held so far, in MB. */
  async function peakMemory(): Promise<number> {
    const status = await readFile(`/proc/${await server.processId()}/status`, 'utf8')
    return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) / 1024
  }

  it('are refused over 50 MB, also when the client sends on without waiting', async () => {
    const path = await largeFile('large.pdf', 50 * MB + 1)
    const args = ['-F', `swimmer=${SWIMMER}`, '-F', `pdfs=@${path}`]
    const refusal = {
      status: 413,
      error: 'TOO_LARGE',
      field: 'pdfs',
      message: expect.stringMatching(/large\.pdf.*50 MB/),
    }
    expect(await refusalOf(...args)).toMatchObject(refusal)
    expect(await refusalOf(...args, '-H', 'Expect:')).toMatchObject(refusal)
    expect(await refusalOf(...args, '-H', 'Expect:', '-H', 'Transfer-Encoding: chunked')).toMatchObject(refusal)
  })

  it.runIf(process.platform === 'linux')('go to the disk as they come in: memory stays flat', async () => {
    const before = await peakMemory()
    // Cloudflare takes 100 MB a request.
    const paths = await Promise.all(
      Array.from({ length: ON_CLOUDFLARE ? 2 : 8 }, (_, i) => largeFile(`${i}.pdf`, 49 * MB + i)),
    )
    const files = paths.flatMap((path) => ['-F', `pdfs=@${path}`])
    // Refused at its end, so that what was held is the upload and not the reading of documents.
    expect(await refusalOf(...files)).toMatchObject({ status: 400, error: 'MISSING_SWIMMER' })
    expect((await peakMemory()) - before).toBeLessThan(98)
  })

  it('are refused in a text field over 1 MB', async () => {
    const form = formOf({ swimmer: SWIMMER })
    form.append('urls', `[${'"https://example.com",'.repeat(60_000)}]`)
    expect(await errorOf(await post(server, form))).toMatchObject({ status: 413, error: 'TOO_LARGE', field: 'urls' })
  })
})

describe('bodies', () => {
  it.each([
    ['/api/batch', 'application/json', '{"operation": "echo"'],
    ['/bulk/import', 'application/json', '{"cards": [{"title"'],
    ['/api/v1/batch/get', 'application/json', '{'],
  ])('to %s that are cut off are no fault of the server', async (path, type, text) => {
    const socket = connect(server.port, '127.0.0.1')
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Type: ${type}\r\nContent-Length: 900\r\n\r\n${text}`,
    )
    await new Promise((resolve) => setTimeout(resolve, 200))
    socket.destroy()
    const line = () => server.output.split('\n').find((one) => one.includes(`"path":"${path}"`))
    while (line() === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(line()).toContain('"status":400')
    expect(server.output).not.toContain('with an unexpected error')
  })
})
