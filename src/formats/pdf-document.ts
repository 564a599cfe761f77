/**
 * Opens PDFs with pdf.js, which keeps the bytes until garbage is next collected. Where several large documents are read one after the other
 * and memory is short, that is too late: here their memory is given back when they are closed.
 */
import { type getDocumentProxy, getResolvedPDFJS } from 'unpdf'

type PdfDocument = Awaited<ReturnType<typeof getDocumentProxy>>

/** Text is all that is wanted, of whatever can be read. Verbosity 0 keeps warnings off the console. */
const OPTIONS = {
  verbosity: 0,
  stopAtErrors: false,
  disableFontFace: true,
  useSystemFonts: true,
  isEvalSupported: false,
}

/** A PDF that is open. */
export interface OpenPdf {
  readonly document: PdfDocument
  /** Ends all reading and gives the memory back. */
  close(): Promise<void>
}

/** Loads pdf.js, which {@link openPdf} does otherwise. */
export async function preloadPdf(): Promise<void> {
  await getResolvedPDFJS()
}

/**
 * Opens a PDF.
 * @param bytes are taken over: empty afterwards
 * @throws what pdf.js does, named `PasswordException`, `InvalidPDFException` …
 */
export async function openPdf(bytes: Uint8Array): Promise<OpenPdf> {
  const { PDFWorker, getDocument } = await getResolvedPDFJS()
  const worker = new PDFWorker({ verbosity: 0 })
  await worker.promise
  // This worker is no thread but a port to ourselves: pdf.js reads from the buffer that arrives on it.
  let kept: ArrayBufferLike | undefined
  worker.port.addEventListener('message', ({ data: message }) => {
    kept ??= documentIn(message)?.buffer
  })
  const loading = getDocument({ data: bytes, worker, ...OPTIONS })
  const close = async () => {
    await loading.destroy()
    worker.destroy()
    // Closes once the work that pdf.js has begun has ended. Not awaited: its late failures must not delay our own answer.
    setTimeout(() => {
      if (kept instanceof ArrayBuffer && !kept.detached) kept.transfer(0)
    }, 0)
  }
  try {
    return { document: await loading.promise, close }
  } catch (error) {
    void close().catch(() => {})
    throw error
  }
}

/** The bytes of a document that a message of pdf.js hands over: `{action, data: {data}}`. */
function documentIn(message: unknown): Uint8Array | undefined {
  const request = fieldOf(message, 'data')
  const bytes = fieldOf(request, 'data')
  return bytes instanceof Uint8Array ? bytes : undefined
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
