/** Stores the files of `POST /uploads` while they stream in. */
import { invalidRequest } from '../../errors.ts'
import { uploadedName } from '../../formats/file-name.ts'
import { readMultipart } from '../../http/request/multipart.ts'
import type { BlobStore } from '../../ports.ts'
import { MAX_DOCUMENT_BYTES, MAX_ITEMS } from './schemas.ts'
import { isNamedAsRecording } from './transcript/transcribe.ts'
import { newUpload, type UploadedFile } from './uploads.ts'

/** Most parts of the form; some are left for unknown fields. */
const MAX_PARTS = MAX_ITEMS + 100
const MAX_FIELD_BYTES = 64 * 1024
const FIELD = 'files'

/**
 * Reads the form and stores its files. `stored` lists what was stored before an error, for the caller to delete.
 * @throws MillraceError INVALID_REQUEST naming the field, and as `readMultipart` does
 */
export async function storeFiles(
  request: Request,
  {
    blobs,
    maxFormBytes,
    maxRecordingBytes,
  }: { readonly blobs: BlobStore; readonly maxFormBytes: number; readonly maxRecordingBytes: number },
  stored: UploadedFile[],
): Promise<void> {
  const limits = {
    maxFieldBytes: MAX_FIELD_BYTES,
    maxFileBytes: (file: { filename: string; contentType: string }) =>
      isNamedAsRecording(file) ? maxRecordingBytes : MAX_DOCUMENT_BYTES,
    maxParts: MAX_PARTS,
    maxTotal: { bytes: maxFormBytes, setting: 'MAX_UPLOAD_BYTES' },
  }
  await readMultipart(request, limits, {
    onField(name, value) {
      if (name !== FIELD || value.trim() === '') return
      throw invalidRequest(
        FIELD,
        `${FIELD}: Holds text instead of a file. With curl, write an @ before the path: -F "files=@report.pdf"`,
      )
    },
    async onFile({ name, filename, contentType, body }) {
      // Browsers send an empty file field as a part without a file name.
      if (filename === '') return
      if (name !== FIELD) throw invalidRequest(name, `${name}: Files belong into the field "${FIELD}"`)
      if (stored.length >= MAX_ITEMS) throw invalidRequest(FIELD, `${FIELD}: Must hold at most ${MAX_ITEMS} files`)
      const { id, key } = newUpload()
      const info = await blobs.put(key, body)
      stored.push({ id, key, filename: uploadedName(filename) ?? 'document', contentType, ...info })
    },
  })
  if (stored.length === 0) throw invalidRequest(FIELD, `${FIELD}: Must hold at least one file`)
}
