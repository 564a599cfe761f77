/** Files on their way to a server. */
import type { Call } from './http.ts'
import type { Document, Upload } from './types.ts'

/** Adds files to a form. @param unnamed name of one that has none */
export function appendFiles(form: FormData, field: string, files: readonly Document[], unnamed: string): void {
  for (const file of files) {
    if (file instanceof Blob) form.append(field, file, nameOf(file) ?? unnamed)
    else form.append(field, new Blob([ownBytes(file.bytes)]), file.name)
  }
}

/** Name of a file; undefined for bytes without one. */
export function nameOf(file: Upload): string | undefined {
  return typeof File !== 'undefined' && file instanceof File ? file.name : undefined
}

/**
 * Makes the body of a request of a file, or of a stream. A stream can be sent once only; where requests carry none (pages, React Native) it
 * is gathered first.
 */
export async function bodyOf(
  file: Upload,
): Promise<Pick<Call, 'again'> & { readonly body: NonNullable<Call['body']> }> {
  if (typeof file === 'string' || file instanceof Blob) return { body: file }
  if (file instanceof ArrayBuffer || ArrayBuffer.isView(file)) return { body: new Blob([ownBytes(file)]) }
  if (isPage()) return { body: await new Response(file).blob() }
  return { body: file, again: false }
}

/** Chromium alone sends streams from pages, and over HTTP/2 alone. */
const isPage = () => typeof location !== 'undefined' || globalThis.navigator?.product === 'ReactNative'

/** Copies bytes into a buffer of their own, as a `Blob` requires. */
const ownBytes = (bytes: Uint8Array | ArrayBuffer | string) => (bytes instanceof Uint8Array ? bytes.slice() : bytes)
