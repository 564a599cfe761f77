/** Prepares the documents that a request names: uploads, small texts, URLs. All are checked and stored before the job is submitted. */
import type { Upload } from '../../engine/uploads.ts'
import { invalidRequest } from '../../errors.ts'
import type { BlobStore, Database } from '../../ports.ts'
import { type ItemSource, itemByUrl } from './channels/fetch-item.ts'
import { checkHost, idInUrl } from './channels/platforms.ts'
import type { DocumentSource } from './document-source.ts'
import type { ProcessRequest } from './schemas.ts'
import { copyUpload, findUploads, newUpload, type UploadedFile } from './uploads.ts'

/** A document named by a request, not yet stored for the job. */
export type NamedSource =
  | { readonly kind: 'url'; readonly id: string; readonly url: string; readonly field: string }
  | { readonly kind: 'item'; readonly id: string; readonly item: ItemSource }
  | { readonly kind: 'text'; readonly id: string; readonly filename: string; readonly text: string }
  | { readonly kind: 'upload'; readonly id: string; readonly file: UploadedFile; readonly field: string }

/** Documents of a job, with the files stored for it. */
export interface PreparedSources {
  readonly documents: readonly DocumentSource[]
  readonly uploads: readonly Upload[]
}

/**
 * Lists the documents that a request names and selects, each once.
 * @throws MillraceError INVALID_REQUEST naming the field
 */
export async function nameSources(
  db: Database,
  owner: string,
  request: ProcessRequest,
): Promise<readonly NamedSource[]> {
  const named = request.input_method === 'urls' ? nameUrls(request) : await nameUploads(db, owner, request)
  const byId = new Map(named.map((one) => [one.id, one]))
  const { selected_content: selected } = request
  if (selected.length === 0) return [...byId.values()]
  // Of a platform, both its ids and the addresses are known.
  const idOf = (given: string) =>
    byId.has(given) || request.input_method !== 'urls' ? given : (idInUrl(request.platform, given) ?? given)
  for (const [index, id] of selected.entries()) {
    if (byId.has(idOf(id))) continue
    const field = `selected_content.${index}`
    throw invalidRequest(field, `${field}: Names none of the documents of this request. An empty list takes all`)
  }
  const wanted = new Set(selected.map(idOf))
  return [...byId.values()].filter(({ id }) => wanted.has(id))
}

function nameUrls({ pasted_urls: urls, platform }: ProcessRequest): NamedSource[] {
  if (urls.length === 0) {
    throw invalidRequest('pasted_urls', 'pasted_urls: Must name a document for input_method "urls"')
  }
  return urls.map((url, index) => {
    const field = `pasted_urls.${index}`
    if (platform === 'documents') return { kind: 'url', id: url, url, field }
    checkHost(platform, url, field)
    const item = itemByUrl(platform, url)
    return { kind: 'item', id: item.id, item }
  })
}

async function nameUploads(
  db: Database,
  owner: string,
  { uploaded_documents: given }: ProcessRequest,
): Promise<NamedSource[]> {
  if (given.length === 0) {
    const message = 'Must name a document for input_method "upload". POST /api/public/bulk/uploads takes files'
    throw invalidRequest('uploaded_documents', `uploaded_documents: ${message}`)
  }
  const ids = given.filter(({ text }) => text === undefined).map(({ id }) => id)
  const files = ids.length === 0 ? new Map<string, UploadedFile>() : await findUploads(db, owner, ids)
  const seen = new Set<string>()
  return given.map(({ id, filename, text }, index): NamedSource => {
    const field = `uploaded_documents.${index}.id`
    if (seen.has(id)) throw invalidRequest(field, `${field}: "${id}" is given twice`)
    seen.add(id)
    if (text !== undefined) return { kind: 'text', id, filename: filename ?? id, text }
    const file = files.get(id)
    if (file !== undefined) return { kind: 'upload', id, file: { ...file, filename: filename ?? file.filename }, field }
    const message = `There is no upload "${id}". Uploads are kept for a day; a small text may stand in "text"`
    throw invalidRequest(field, `${field}: ${message}`)
  })
}

/**
 * Stores the bytes that a job needs of its documents. `stored` lists what was stored before an error, for the caller to delete.
 * @throws MillraceError as {@link copyUpload} does
 */
export async function storeSources(
  blobs: BlobStore,
  named: readonly NamedSource[],
  stored: Upload[],
): Promise<PreparedSources> {
  const documents: DocumentSource[] = []
  const texts: Uint8Array<ArrayBuffer>[] = []
  const textKey = newUpload().key
  const sourceKeys = new Set<string>()
  let offset = 0
  for (const one of named) {
    if (one.kind === 'url') {
      documents.push({ kind: 'url', id: one.id, url: one.url, sourceKey: one.url })
    } else if (one.kind === 'item') {
      documents.push(one.item)
    } else if (one.kind === 'text') {
      const bytes = new TextEncoder().encode(one.text)
      const { id, filename } = one
      const location = { key: textKey, offset, length: bytes.byteLength }
      documents.push({
        kind: 'stored',
        id,
        filename,
        contentType: 'text/plain; charset=utf-8',
        sourceKey: id,
        ...location,
      })
      texts.push(bytes)
      offset += bytes.byteLength
    } else {
      const upload = await copyUpload(blobs, one.file, one.field)
      stored.push(upload)
      const { filename, contentType } = one.file
      const location = { key: upload.key, offset: 0, length: upload.size, sha256: upload.sha256 }
      const sourceKey = distinctName(filename, sourceKeys)
      documents.push({ kind: 'stored', id: one.id, filename, contentType, sourceKey, ...location })
    }
  }
  if (texts.length > 0) {
    // All texts share a blob; each document is a range of it.
    const info = await blobs.put(textKey, new Blob(texts).stream())
    stored.push({ key: textKey, filename: 'texts', ...info })
  }
  return { documents, uploads: stored }
}

/** Makes a file's name unique in its job by a number, so that files of equal names do not replace each other. */
function distinctName(filename: string, taken: Set<string>): string {
  let name = filename
  for (let count = 2; taken.has(name); count++) name = `${filename} (${count})`
  taken.add(name)
  return name
}
