/** Route that extracts heat sheets: documents and links as a form, submitted as one batch. */
import type { Context, Hono } from 'hono'
import type { Accepted } from '../../engine/transitions/submission.ts'
import { submit } from '../../engine/transitions/submit.ts'
import { newUploadKey, type Upload } from '../../engine/uploads.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { uploadedName } from '../../formats/file-name.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { checkValue } from '../../http/request/check.ts'
import { idempotencyKey } from '../../http/request/idempotency-key.ts'
import { readMultipart } from '../../http/request/multipart.ts'
import { describeUnknown, nearestName } from '../../http/request/unknown-names.ts'
import { announceBatch } from '../../http/response/accepted.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { Routes } from '../../http/routes.ts'
import type { BlobStore } from '../../ports.ts'
import { type Asked, nobodyAsked, tooManySwimmers } from './asked.ts'
import { type MeetLink, readMeetPage } from './meet-page.ts'
import { normalizeSwimmer } from './parser/names.ts'
import { ExtractAccepted, ExtractForm, MAX_DOCUMENTS, MAX_SWIMMERS, MAX_URL_CHARACTERS, plainUrl } from './schemas.ts'

const LIMITS = {
  fileBytes: 50 * 1024 * 1024,
  fieldBytes: 1024 * 1024,
  /** Most links in one field, duplicates included: they are counted before they are parsed. */
  links: 10 * MAX_DOCUMENTS,
  /** Most parts of the form; some are left for unknown fields. */
  parts: 1_000,
}
const OPERATION = 'heat-sheet'
/** Most characters of a field's name in an error. */
const MAX_NAME_CHARACTERS = 100
const NOT_A_FILE =
  'The field "pdfs" holds text instead of a file. With curl, write an @ before the path: -F "pdfs=@heats.pdf".'

const extract = {
  route: 'POST /api/batch/extract',
  id: 'extractHeatSheets',
  summary: 'Find swimmers in heat sheets',
  description:
    'Takes PDFs (`pdfs`, at most 50 MB each) and links (`urls`), at most 100 together. Every document is a job; the same one given twice is one.',
  headers: ['Idempotency-Key'],
  body: {
    'multipart/form-data': {
      schema: ExtractForm,
      examples: { link: { swimmer: 'Mara Lindqvist', urls: '["https://example.com/heats.pdf"]' } },
    },
  },
  answers: { 202: json('Accepted, and on disk.', ExtractAccepted, ['Location']) },
  errors: [400, 409, 413, 415],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [extract]

export function extractRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/api/batch', CODED_ERRORS).add(extract, async (c) => {
    const { batchId, totalJobs } = await take(c, deps)
    const { streamUrl } = await announceBatch(c, deps, batchId)
    return c.json({ success: true, batchId, totalJobs, streamUrl } satisfies ExtractAccepted, 202)
  }).hono
}

/** Submits the batch of a form. The files of a refused form are deleted. */
async function take(c: Context<Env>, deps: AppDeps): Promise<Accepted> {
  const operation = deps.operations[OPERATION]
  if (operation === undefined) throw new Error(`The operation "${OPERATION}" is not registered.`)
  const { owner } = c.get('caller')
  const replay = c.req.header('Idempotency-Key') !== undefined
  const pending = await deps.quota?.open(owner, { replay })
  const form = new FormReader(pending?.count(deps.blobs) ?? deps.blobs)
  let kept: readonly Upload[] = []
  try {
    await form.read(c.req.raw)
    await form.readMeet((url, hosts) => readMeetPage(deps.fetcher, owner, url, hosts))
    const { uploads, ...request } = form.checked()
    const idempotency = idempotencyKey(c, form.content())
    kept = uploads
    const batch = await submit(deps, { owner, operation, request, uploads, idempotency, admit: c.get('admit') })
    if (!batch.created) kept = []
    return batch
  } catch (error) {
    // After an unexpected error the commit may still have been written, so the files are left to the sweep.
    if (error instanceof MillraceError) kept = []
    throw error
  } finally {
    await form
      .forget(kept)
      .catch((err: unknown) =>
        deps.log.warn(
          { event: 'upload.cleanup_failed', err },
          'uploaded files could not be deleted; the sweep deletes them',
        ),
      )
    pending?.release()
  }
}

/** Reads the form as a stream; files are stored part by part. */
class FormReader {
  readonly #blobs: BlobStore
  readonly #stored: Upload[] = []
  /** Links, with the texts of their links on the page of a meet. */
  readonly #urls = new Map<string, string | undefined>()
  #meetUrl: string | undefined
  #meetHosts: readonly string[] = []
  /** Swimmers by normalised name, so that duplicates count once. */
  readonly #swimmers = new Map<string, string>()
  #team: string | undefined
  /** Content as sent, before the links of a meet's page are added: the page may change between two equal requests. */
  #content: unknown
  #documents = 0

  constructor(blobs: BlobStore) {
    this.#blobs = blobs
  }

  async read(request: Request): Promise<void> {
    await readMultipart(
      request,
      { maxFieldBytes: LIMITS.fieldBytes, maxFileBytes: LIMITS.fileBytes, maxParts: LIMITS.parts },
      {
        onField: (name, value) => {
          if (name === 'swimmer') this.#addSwimmer(value)
          else if (name === 'team') this.#setTeam(value)
          else if (name === 'urls') for (const url of parseUrls(value)) this.#addUrl(url)
          else if (name === 'meet_url') this.#setMeetUrl(value)
          else if (name === 'meet_hosts') this.#meetHosts = [...this.#meetHosts, ...parseHosts(value)]
          else if (name !== 'pdfs') refuseMisspelt(name)
          else if (value.trim() !== '') throw invalidRequest('pdfs', NOT_A_FILE)
        },
        onFile: (file) => this.#store(file),
      },
    )
  }

  /** Adds the documents that the page of a meet links to, where the form names one. @param read finds them */
  async readMeet(read: (url: string, hosts: readonly string[]) => Promise<readonly MeetLink[]>): Promise<void> {
    this.#asked()
    if (this.#meetUrl === undefined && this.#meetHosts.length > 0) {
      throw invalidRequest(
        'meet_hosts',
        'meet_hosts says where the PDFs of a page may be: send that page in "meet_url".',
      )
    }
    if (this.#meetUrl === undefined) return
    this.#content = this.content()
    for (const { url, label } of await read(this.#meetUrl, this.#meetHosts)) this.#addUrl(url, label || undefined)
  }

  #asked(): Asked {
    const asked = { swimmers: [...this.#swimmers.values()], ...(this.#team === undefined ? {} : { team: this.#team }) }
    if (asked.swimmers.length === 0 && asked.team === undefined) throw nobodyAsked()
    return asked
  }

  /** Validates the form. @returns its request, without duplicate documents */
  checked(): Asked & { documents: unknown[]; uploads: Upload[] } {
    const asked = this.#asked()
    const uploads = [...new Map(this.#stored.map((upload) => [upload.sha256, upload])).values()]
    const urls = [...this.#urls]
    if (uploads.length + urls.length === 0) {
      throw new MillraceError(
        'NO_PDFS',
        'Add at least one heat sheet: a PDF in "pdfs", a link in "urls", or the page of a meet in "meet_url".',
        {
          details: { field: 'pdfs' },
        },
      )
    }
    return {
      ...asked,
      documents: [
        ...uploads.map(({ key, filename, md5 }) => ({ kind: 'upload', key, filename, md5 })),
        ...urls.map(([url, label]) => ({ kind: 'url', url, ...(label === undefined ? {} : { label }) })),
      ],
      uploads,
    }
  }

  /** Returns the content of the request for its fingerprint: files by their hash, not by their key. */
  content(): unknown {
    if (this.#content !== undefined) return this.#content
    const [swimmer, ...swimmers] = this.#swimmers.values()
    const asked = swimmers.length === 0 ? { swimmer } : { swimmer, swimmers }
    const team = this.#team === undefined ? {} : { team: this.#team }
    const meet = this.#meetUrl === undefined ? {} : { meetUrl: this.#meetUrl, meetHosts: this.#meetHosts }
    return { ...asked, ...team, ...meet, files: this.#stored.map(({ sha256 }) => sha256), urls: [...this.#urls.keys()] }
  }

  /** Deletes the stored files except `kept`. */
  async forget(kept: readonly Upload[]): Promise<void> {
    await this.#blobs.delete(this.#stored.filter((upload) => !kept.includes(upload)).map(({ key }) => key))
  }

  #addSwimmer(value: string): void {
    // An empty field is treated as missing, which has its own error code.
    if (value.trim() === '') return
    const name = checkedName('swimmer', value)
    const key = normalizeSwimmer(name)
    if (!this.#swimmers.has(key)) this.#swimmers.set(key, name)
    if (this.#swimmers.size > MAX_SWIMMERS) throw tooManySwimmers()
  }

  #setTeam(value: string): void {
    if (value.trim() === '') return
    const team = checkedName('team', value)
    if (this.#team !== undefined && this.#team !== team) {
      throw invalidRequest('team', 'One request looks for one team, and several were sent in "team".')
    }
    this.#team = team
  }

  #setMeetUrl(value: string): void {
    if (value.trim() === '') return
    if (this.#meetUrl !== undefined) throw invalidRequest('meet_url', 'One request reads one page: several were sent.')
    this.#meetUrl = parseMeetUrl(value.trim())
  }

  #addUrl(url: string, label?: string): void {
    if (this.#urls.has(url)) return
    this.#countDocument()
    this.#urls.set(url, label)
  }

  async #store(file: { name: string; filename: string; body: ReadableStream<Uint8Array> }): Promise<void> {
    if (file.name !== 'pdfs') throw invalidRequest(file.name, `Files belong into the field "pdfs", not "${file.name}".`)
    this.#countDocument()
    const key = newUploadKey()
    const info = await this.#blobs.put(key, file.body)
    this.#stored.push({ key, filename: uploadedName(file.filename) ?? 'document.pdf', ...info })
  }

  #countDocument(): void {
    if (++this.#documents > MAX_DOCUMENTS) {
      throw new MillraceError(
        'BATCH_TOO_LARGE',
        `One request takes at most ${MAX_DOCUMENTS} documents. Send the rest in another.`,
      )
    }
  }
}

function checkedName(field: 'swimmer' | 'team', value: string): string {
  return checkValue(CODED_ERRORS.refuse, ['form', field], value, ExtractForm.shape[field]) ?? ''
}

/** Refuses a misspelt field. Other unknown fields are ignored, because pages add fields to their forms. */
function refuseMisspelt(name: string): void {
  const known = Object.keys(ExtractForm.shape)
  if (nearestName(name, known) === undefined) return
  const field = name.slice(0, MAX_NAME_CHARACTERS)
  throw invalidRequest(field, `${field}: ${describeUnknown(name, known)}`)
}

function parseMeetUrl(text: string): string {
  const url = text.length <= MAX_URL_CHARACTERS && URL.canParse(text) ? plainUrl(text) : ''
  if (/^https?:/.test(url)) return url
  throw invalidRequest(
    'meet_url',
    `meet_url is not a link: ${JSON.stringify(text.slice(0, 100))}. Links begin with https:// or http://.`,
  )
}

/** Parses names of hosts, with optional ports. */
function parseHosts(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  return names.filter((name) => name !== '').map(parseHost)
}

function parseHost(name: string): string {
  const url = URL.canParse(`http://${name}`) ? new URL(`http://${name}`) : null
  if (url !== null && url.href === `http://${url.host}/` && !name.includes('/')) return url.host
  throw invalidRequest(
    'meet_hosts',
    `meet_hosts: ${JSON.stringify(name.slice(0, 100))} is no host. Expected names of hosts separated by commas, such as files.example.com.`,
  )
}

function parseUrls(text: string): string[] {
  if (text.trim() === '') return []
  const shape = 'The field "urls" must be a JSON array of links, such as ["https://example.com/heats.pdf"].'
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    throw invalidRequest('urls', shape)
  }
  if (!Array.isArray(list)) throw invalidRequest('urls', shape)
  if (list.length > LIMITS.links) {
    throw new MillraceError(
      'BATCH_TOO_LARGE',
      `The field "urls" takes at most ${LIMITS.links} links, doubles included.`,
      {
        details: { field: 'urls' },
      },
    )
  }
  return list.map((item: unknown, index) => {
    if (typeof item !== 'string') throw invalidRequest('urls', shape)
    if (item.length > MAX_URL_CHARACTERS) {
      throw invalidRequest('urls', `urls[${index}] is longer than ${MAX_URL_CHARACTERS} characters.`)
    }
    try {
      return plainUrl(item)
    } catch {
      throw invalidRequest(
        'urls',
        `urls[${index}] is not a link: ${JSON.stringify(item.slice(0, 100))}. Links begin with https:// or http://.`,
      )
    }
  })
}
