/** Handing documents in: what is accepted, and as what. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ExtractAccepted } from '../../../src/features/heat-sheets/schemas.ts'
import { extract, formOf, post, statusOf, toTheEnd } from '../../support/batches.ts'
import { curl, freshFolder, startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'

let server: TestServer
let sheet: Uint8Array
let other: Uint8Array
beforeAll(async () => {
  server = await startServer()
  sheet = await heatSheet({ meet: 'Millpond Open' })
  other = await heatSheet({ meet: 'Weir Classic', firstEvent: 7 })
})
afterAll(() => server[Symbol.asyncDispose]())

/** A closed port of this machine: private, so that nothing is fetched. */
const link = (name: string) => `http://127.0.0.1:9/${name}`

describe('a form that is accepted', () => {
  it('answers 202, where the batch is, and how many documents were taken', async () => {
    const pdfs = [
      { name: 'a.pdf', bytes: sheet },
      { name: 'b.pdf', bytes: other },
    ]
    const response = await post(server, formOf({ swimmer: SWIMMER, pdfs, urls: [link('c.pdf')] }))
    expect(response.status).toBe(202)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    const body = ExtractAccepted.strict().parse(await response.json())
    expect(body).toMatchObject({ success: true, totalJobs: 3, streamUrl: `/api/batch/${body.batchId}/stream` })
    expect(body.batchId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(response.headers.get('location')).toBe(`/api/batch/${body.batchId}`)
    const status = await statusOf(server, body.batchId)
    expect(status.jobs.map(({ sequence, filename, url }) => [sequence, filename, url])).toEqual([
      [1, 'a.pdf', null],
      [2, 'b.pdf', null],
      [3, 'c.pdf', link('c.pdf')],
    ])
  })

  it('takes the same bytes and the same link as one document, and stores them once', async () => {
    const uploads = async () => (await server.blobs()).filter((path) => /uploads\/[^.]+$/.test(path)).length
    const before = await uploads()
    const fresh = await heatSheet({ meet: 'Sluice Meet' })
    const pdfs = ['one.pdf', 'two.pdf', 'three.pdf'].map((name) => ({ name, bytes: fresh }))
    const urls = [link('x.pdf'), link('x.pdf#page=2'), 'HTTP://127.0.0.1:9/y/../x.pdf', link('z.pdf')]
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs, urls })
    expect(accepted.totalJobs).toBe(3)
    const follower = await toTheEnd(server, accepted)
    expect(follower.logged[0]?.data).toMatchObject({ type: 'batch_started', totalJobs: 3 })
    expect((await statusOf(server, accepted.batchId)).batch.totalJobs).toBe(3)
    expect(await uploads()).toBe(before + 1)
  })

  it('counts links that are given twice once before it counts to a hundred', async () => {
    const urls = Array.from({ length: 150 }, (_, i) => link(`${i % 100}.pdf`))
    expect((await extract(server, { swimmer: SWIMMER, urls })).totalJobs).toBe(100)
  })

  it.each([
    ['url', '["https://example.com/heats.pdf"]', 'Did you mean "urls"?'],
    ['Swimmers', 'Ada Quill', 'Did you mean "swimmer"?'],
  ])('refuses the field "%s", a misspelling, by name', async (name, value, said) => {
    const form = formOf({ swimmer: SWIMMER, urls: [link('known.pdf')] })
    form.append(name, value)
    const response = await post(server, form)
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ field: name, message: `${name}: Not known here. ${said}` }),
    ])
  })

  it('refuses a name of more than 200 characters, or with control characters', async () => {
    for (const swimmer of ['a'.repeat(201), 'Ada\u0007Quill']) {
      const response = await post(server, formOf({ swimmer, urls: [link('named.pdf')] }))
      expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ field: 'swimmer' })])
    }
  })

  it('takes links in several fields', async () => {
    const form = formOf({ swimmer: SWIMMER, urls: [link('1.pdf')] })
    form.append('urls', JSON.stringify([link('2.pdf')]))
    expect(await (await post(server, form)).json()).toMatchObject({ totalJobs: 2 })
  })

  it('takes the swimmer after the files, and keeps the name as it is written', async () => {
    const form = formOf({ pdfs: [{ name: 'a.pdf', bytes: sheet }] })
    form.append('swimmer', '  Zoë Ångström-O’Weir ')
    const { batchId } = ExtractAccepted.parse(await (await post(server, form)).json())
    expect((await statusOf(server, batchId)).batch).toMatchObject({ swimmerName: 'Zoë Ångström-O’Weir' })
  })

  it('passes over fields that are not its own, and a file input that a browser left empty', async () => {
    const form = formOf({ swimmer: SWIMMER, pdfs: [{ name: '', bytes: '' }], urls: [link('1.pdf')] })
    form.append('csrf', 'whatever')
    form.append('pdfs', '')
    expect(await (await post(server, form)).json()).toMatchObject({ success: true, totalJobs: 1 })
  })

  it.each([
    ['../../etc/passwd.pdf', 'passwd.pdf'],
    ['C:\\Users\\me\\heats.pdf', 'heats.pdf'],
    ['the "A" final.pdf', 'the "A" final.pdf'],
    ['Läufe für Samstag 🏊.pdf', 'Läufe für Samstag 🏊.pdf'],
    ['50% off; name=x.pdf', '50% off; name=x.pdf'],
    ['line\nbreak.pdf', 'linebreak.pdf'],
    ['dir/', 'document.pdf'],
  ])('knows a file sent as %j by the name %j', async (name, shown) => {
    const accepted = await extract(server, { swimmer: SWIMMER, pdfs: [{ name, bytes: sheet }] })
    expect((await statusOf(server, accepted.batchId)).jobs[0]?.filename).toBe(shown)
  })

  it('works as the seed prints it, with curl', async () => {
    const folder = await freshFolder()
    await writeFile(join(folder, 'a.pdf'), sheet)
    await writeFile(join(folder, 'b "x".pdf'), other)
    const url = `${server.url}/api/batch/extract`
    const args = ['-X', 'POST', url, '-F', `swimmer=${SWIMMER}`, '-F', `pdfs=@${folder}/a.pdf`]
    const quoted = `pdfs=@"${folder}/b \\"x\\".pdf"`
    const answer = await curl([...args, '-F', quoted, '-F', `urls=["${link('c.pdf')}"]`])
    const { batchId, totalJobs } = ExtractAccepted.parse(JSON.parse(answer))
    expect(totalJobs).toBe(3)
    expect((await statusOf(server, batchId)).jobs.map(({ filename, url }) => url ?? filename)).toEqual([
      'a.pdf',
      'b "x".pdf',
      link('c.pdf'),
    ])
  })

  it('is worked on whether or not anyone watches', async () => {
    const { batchId } = await extract(server, { swimmer: SWIMMER, pdfs: [{ name: 'a.pdf', bytes: sheet }] })
    let status = await statusOf(server, batchId)
    while (status.batch.status === 'pending' || status.batch.status === 'processing') {
      await new Promise((resolve) => setTimeout(resolve, 50))
      status = await statusOf(server, batchId)
    }
    expect(status.batch).toMatchObject({ status: 'completed', completedJobs: 1, failedJobs: 0 })
  })
})
