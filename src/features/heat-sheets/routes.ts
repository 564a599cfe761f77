/** The heat-sheet surface's way in: documents and links as a form, handed over as one batch. */
import { type Context, Hono } from 'hono'
import { uuidv7 } from 'uuidv7'
import { type Accepted, submit, type Upload } from '../../engine/transitions/submit.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { streamToken } from '../../http/auth/tokens.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { idempotencyKey } from '../../http/request/idempotency-key.ts'
import { readMultipart } from '../../http/request/multipart.ts'
import type { BlobStore } from '../../ports.ts'
import { type ExtractAccepted, MAX_DOCUMENTS, MAX_URL_CHARACTERS, plainUrl } from './schemas.ts'

const LIMITS = {
  fileBytes: 50 * 1024 * 1024,
  fieldBytes: 1024 * 1024,
  /** Links in one field, doubles included: they are counted before they are looked at. */
  links: 10 * MAX_DOCUMENTS,
  /** Room for fields that are not ours; more is no form a person filled in. */
  parts: 1_000,
}
const OPERATION = 'heat-sheet'
const NOT_A_FILE =
  'The field "pdfs" holds text instead of a file. With curl, write an @ before the path: -F "pdfs=@heats.pdf".'

/** `POST /extract`. */
export function extractRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>().post('/extract', async (c) => {
    const { owner, authenticated } = c.get('caller')
    const { batchId, totalJobs } = await take(c, deps)
    const token = authenticated ? await streamToken(deps.auth, deps.clock, owner, batchId) : null
    return accepted(c, { batchId, totalJobs, token })
  })
}

/** Makes a batch of a form. Of a form that is refused, no file is kept. */
async function take(c: Context<Env>, deps: AppDeps): Promise<Accepted> {
  const operation = deps.operations[OPERATION]
  if (operation === undefined) throw new Error(`The operation "${OPERATION}" is not registered.`)
  const { owner } = c.get('caller')
  const replay = c.req.header('Idempotency-Key') !== undefined
  const pending = await deps.quota?.open(owner, { replay })
  const form = new ExtractForm(pending?.count(deps.blobs) ?? deps.blobs)
  let kept: readonly Upload[] = []
  try {
    await form.read(c.req.raw)
    const { uploads, ...request } = form.checked()
    const idempotency = idempotencyKey(c, form.content())
    kept = uploads
    const batch = await submit(deps, { owner, operation, request, uploads, idempotency, admit: c.get('admit') })
    if (!batch.created) kept = []
    return batch
  } catch (error) {
    // A commit that failed in a way nobody foresaw may have been written all the same: its files are left to the sweep.
    if (error instanceof MillraceError) kept = []
    throw error
  } finally {
    await form.forget(kept).catch((err: unknown) => deps.log.warn({ err }, 'files not kept are left to the sweep'))
    pending?.release()
  }
}

function accepted(c: Context<Env>, batch: { batchId: string; totalJobs: number; token: string | null }): Response {
  const url = `/api/batch/${batch.batchId}`
  c.header('Location', url)
  const body: ExtractAccepted = {
    success: true,
    batchId: batch.batchId,
    totalJobs: batch.totalJobs,
    streamUrl: batch.token === null ? `${url}/stream` : `${url}/stream?token=${batch.token}`,
  }
  return c.json(body, 202)
}

/** Reads the form as it comes in; files go to the blob store part by part. */
class ExtractForm {
  readonly #blobs: BlobStore
  readonly #stored: Upload[] = []
  readonly #urls = new Set<string>()
  #swimmer = ''
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
          if (name === 'swimmer') this.#setSwimmer(value)
          else if (name === 'urls') for (const url of parseUrls(value)) this.#addUrl(url)
          else if (name === 'pdfs' && value.trim() !== '') throw invalidRequest('pdfs', NOT_A_FILE)
        },
        onFile: (file) => this.#store(file),
      },
    )
  }

  /** The request that the form makes, the same document given twice counted once. */
  checked(): { swimmer: string; documents: unknown[]; uploads: Upload[] } {
    if (this.#swimmer === '') {
      throw new MillraceError(
        'MISSING_SWIMMER',
        'Say whose events to look for: the field "swimmer" is missing or empty.',
        {
          details: { field: 'swimmer' },
        },
      )
    }
    const uploads = [...new Map(this.#stored.map((upload) => [upload.sha256, upload])).values()]
    const urls = [...this.#urls]
    if (uploads.length + urls.length === 0) {
      throw new MillraceError('NO_PDFS', 'Add at least one heat sheet: a PDF in "pdfs", or a link in "urls".', {
        details: { field: 'pdfs' },
      })
    }
    return {
      swimmer: this.#swimmer,
      documents: [
        ...uploads.map(({ key, filename, md5 }) => ({ kind: 'upload', key, filename, md5 })),
        ...urls.map((url) => ({ kind: 'url', url })),
      ],
      uploads,
    }
  }

  /** Returns the content of the request, the same whenever the same is asked: files by what they hold, not by where they were stored. */
  content(): unknown {
    return { swimmer: this.#swimmer, files: this.#stored.map(({ sha256 }) => sha256), urls: [...this.#urls] }
  }

  /** Deletes what was stored and is not kept. */
  async forget(kept: readonly Upload[]): Promise<void> {
    await this.#blobs.delete(this.#stored.filter((upload) => !kept.includes(upload)).map(({ key }) => key))
  }

  #setSwimmer(value: string): void {
    const name = value.trim()
    if (name.length > 200) throw invalidRequest('swimmer', 'A name of at most 200 characters is needed in "swimmer".')
    if (this.#swimmer !== '' && this.#swimmer !== name) {
      throw invalidRequest('swimmer', 'One request looks for one swimmer. Send another request for the other.')
    }
    this.#swimmer = name
  }

  #addUrl(url: string): void {
    if (this.#urls.has(url)) return
    this.#countDocument()
    this.#urls.add(url)
  }

  async #store(file: { name: string; filename: string; body: ReadableStream<Uint8Array> }): Promise<void> {
    // A browser sends a file field that nobody filled in as a part without a file name.
    if (file.filename === '') return
    if (file.name !== 'pdfs') throw invalidRequest(file.name, `Files belong into the field "pdfs", not "${file.name}".`)
    this.#countDocument()
    const key = `uploads/${uuidv7()}`
    const info = await this.#blobs.put(key, file.body)
    this.#stored.push({ key, filename: baseName(file.filename), ...info })
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

/** The last segment of a name that may be a path, without what no file name holds. */
function baseName(filename: string): string {
  const last = filename.split(/[/\\]/).at(-1) ?? ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out here
  return last.replace(/[\u0000-\u001f\u007f]/g, '').slice(0, 255) || 'document.pdf'
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
