/**
 * Reads a multipart/form-data request as it arrives. Parts are handled strictly one after another, and the request is
 * read only as fast as the handler of the present part takes its bytes, so that a part of any size costs 64 KB.
 */

import { invalidRequest, MillraceError } from '../../errors.ts'
import { type Charset, decodeText, findCharset, unknownCharset } from '../../formats/charsets.ts'
import { Pieces } from '../../formats/pieces.ts'
import { InvalidTextError, withoutMark } from '../../formats/text-decoder.ts'
import { createStepParser, type PartHead, type Step } from './multipart-steps.ts'

/** Bounds of a form. Bytes count content alone, except in `maxTotal`, which counts the body. */
export interface MultipartLimits {
  readonly maxFieldBytes: number
  /** Of all files, or of each by its head. */
  readonly maxFileBytes: number | ((file: Omit<MultipartFile, 'body'>) => number)
  /** Fields and files together. */
  readonly maxParts: number
  /** Default: no limit. `setting`: the one that raises it. */
  readonly maxTotal?: { readonly bytes: number; readonly setting: string }
}

/** A file part. */
export interface MultipartFile {
  readonly name: string
  /** As the sender wrote it, path and all. A file input that was left empty has none, and is passed over. */
  readonly filename: string
  /** As the sender said, without parameters, lower case; `application/octet-stream` when it said nothing. */
  readonly contentType: string
  /** Fails with the error that readMultipart throws when the part is too large or the request is cut off. */
  readonly body: ReadableStream<Uint8Array>
}

/** Handlers of the parts. An error that a handler throws ends the reading and is thrown by readMultipart. */
export interface MultipartHandlers {
  onField(name: string, value: string): void | Promise<void>
  /** The body may be read until the promise settles; what is left of it then is skipped. */
  onFile(file: MultipartFile): Promise<void>
}

/** Takes the steps of one part. */
interface Part {
  write(bytes: Uint8Array): Promise<void>
  end(): Promise<void>
  /** Lets the handler know, and waits until it has ended. */
  fail(error: unknown): Promise<void>
}

/** The most that is parsed at once, and so the most that waits in memory. */
const PIECE_BYTES = 64 * 1024
/** Bytes allowed after the closing boundary; they are read, because some servers can't answer before that, and dropped. */
const EPILOGUE_BYTES = 64 * 1024

/**
 * Reads the form of `request` to its end and hands each part to its handler.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE when it is no multipart/form-data; INVALID_REQUEST when it is malformed
 * or cut off; TOO_LARGE over a limit (details: field and filename, if it is about one, and limit); what a handler
 * threw. The rest of the request is then not read, and the handler of the present part has ended.
 */
export async function readMultipart(
  request: Request,
  limits: MultipartLimits,
  handlers: MultipartHandlers,
): Promise<void> {
  const parser = createStepParser(request.headers.get('content-type'))
  const encoding = request.headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'identity') {
    throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', `A form is taken plain, not with Content-Encoding "${encoding}".`)
  }
  if (request.body === null) throw new MillraceError('INVALID_REQUEST', 'The request has no body.')
  const reader = request.body.getReader()
  const form = new Form(limits, handlers, (error) => stop(reader, error))
  try {
    checkTotal(limits, Number(request.headers.get('content-length') ?? 0))
    for (let total = 0; ; ) {
      const piece = await read(reader)
      form.throwIfFailed()
      if (piece === null) break
      total += piece.length
      checkTotal(limits, total)
      for (let at = 0; at < piece.length; at += PIECE_BYTES) {
        const part = piece.subarray(at, at + PIECE_BYTES)
        if (form.done) form.skip(part)
        else await form.take(parser.feed(part))
      }
    }
    await form.take(parser.end())
  } catch (error) {
    stop(reader, error)
    await form.fail(error)
    throw error
  }
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | null> {
  try {
    const { done, value } = await reader.read()
    return done ? null : value
  } catch (cause) {
    throw new MillraceError('INVALID_REQUEST', 'The request was cut off before its end.', { cause })
  }
}

/** Not awaited, since an aborted body may never settle. A pending read ends as at the end of the body. */
function stop(reader: ReadableStreamDefaultReader<Uint8Array>, reason: unknown): void {
  reader.cancel(reason).catch(() => {})
}

function checkTotal({ maxTotal }: MultipartLimits, bytes: number): void {
  if (maxTotal === undefined || bytes <= maxTotal.bytes) return
  throw tooLarge('The whole form', maxTotal.bytes, {}, ` (${maxTotal.setting}). Send its files in several forms`)
}

/** State of the reading of one form. */
class Form {
  done = false
  readonly #limits: MultipartLimits
  readonly #handlers: MultipartHandlers
  readonly #onFailure: (error: unknown) => void
  #part: Part | null = null
  #parts = 0
  #epilogue = 0
  #failure: { error: unknown } | null = null

  constructor(limits: MultipartLimits, handlers: MultipartHandlers, onFailure: (error: unknown) => void) {
    this.#limits = limits
    this.#handlers = handlers
    this.#onFailure = onFailure
  }

  async take(steps: Step[]): Promise<void> {
    for (const step of steps) {
      if (step.kind === 'begin') this.#part = this.#open(step.head)
      else if (step.kind === 'bytes') await this.#part?.write(step.bytes)
      else if (step.kind === 'done') this.done = true
      else {
        await this.#part?.end()
        this.#part = null
      }
      this.throwIfFailed()
    }
  }

  /** Counts what comes after the form. */
  skip(bytes: Uint8Array): void {
    this.#epilogue += bytes.length
    if (this.#epilogue > EPILOGUE_BYTES) {
      throw new MillraceError('INVALID_REQUEST', 'The request goes on after the end of its form.')
    }
  }

  /** A handler may fail while the next bytes are still awaited. */
  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error
  }

  async fail(error: unknown): Promise<void> {
    await this.#part?.fail(error)
    this.#part = null
  }

  #open(head: PartHead): Part {
    const { maxParts, maxFieldBytes, maxFileBytes } = this.#limits
    this.#parts++
    if (this.#parts > maxParts) {
      throw new MillraceError('TOO_LARGE', `The form has more than ${maxParts} parts.`, {
        details: { limit: maxParts },
      })
    }
    const { name, filename, contentType } = head
    if (filename === null) return openField(head, maxFieldBytes, this.#handlers)
    if (filename === '') return openNothing(head)
    const file = { name, filename, contentType }
    const limit = typeof maxFileBytes === 'number' ? maxFileBytes : maxFileBytes(file)
    return openFile(file, limit, this.#handlers, (error) => {
      this.#failure ??= { error }
      this.#onFailure(error)
    })
  }
}

function openField({ number, name, charset }: PartHead, limit: number, handlers: MultipartHandlers): Part {
  const kind = charset === null ? 'utf-8' : findCharset(charset)
  if (kind === null) throw unknownCharset(`part ${number} ("${name}") of the form`, charset ?? '')
  const pieces = new Pieces()
  return {
    async write(bytes) {
      if (pieces.size + bytes.length > limit) throw tooLarge(`The field "${name}"`, limit, { field: name })
      // A copy, since the parser may reuse its buffer.
      pieces.add(bytes.slice(), pieces.size)
    },
    async end() {
      await handlers.onField(name, textOf(pieces, kind, { number, name }))
    },
    async fail() {},
  }
}

function textOf(pieces: Pieces, charset: Charset, { number, name }: { number: number; name: string }): string {
  try {
    return withoutMark(decodeText(pieces.takeBytes(), charset))
  } catch (error) {
    if (!(error instanceof InvalidTextError)) throw error
    throw invalidRequest(name, `Part ${number} ("${name}") of the form is no text: ${error.message}.`)
  }
}

/** A file input that was left empty, as browsers send it: no file name, and no bytes. */
function openNothing({ number, name }: PartHead): Part {
  return {
    async write(bytes) {
      if (bytes.length === 0) return
      throw invalidRequest(
        name,
        `Part ${number} ("${name}") of the form is a file with content, but without a file name. Give it one: filename="heats.pdf".`,
      )
    },
    async end() {},
    async fail() {},
  }
}

/**
 * Opens a file part whose bytes are read on demand. Once the handler has ended, or has cancelled the body, there is no
 * reader any more, and the rest is skipped.
 */
function openFile(
  head: Omit<MultipartFile, 'body'>,
  limit: number,
  handlers: MultipartHandlers,
  onFailure: (error: unknown) => void,
): Part {
  let size = 0
  let wanted = Promise.withResolvers<void>()
  // Null once nothing may be handed out: the body is at its end, has failed, or was cancelled.
  let sink: ReadableStreamDefaultController<Uint8Array> | null = null
  const source: UnderlyingDefaultSource<Uint8Array> = {
    start: (controller) => {
      sink = controller
    },
    pull: () => wanted.resolve(),
    cancel: () => {
      release()
    },
  }
  const body = new ReadableStream<Uint8Array>(source, { highWaterMark: 0 })

  function release(): ReadableStreamDefaultController<Uint8Array> | null {
    const last = sink
    sink = null
    wanted.resolve()
    return last
  }

  const ended = (async () => {
    try {
      await handlers.onFile({ ...head, body })
    } catch (error) {
      onFailure(error)
    }
    release()?.error(new Error('The body of a part can be read only until its handler ends.'))
  })()

  return {
    async write(bytes) {
      size += bytes.length
      if (size > limit) {
        throw tooLarge(`The file "${head.filename}"`, limit, { field: head.name, filename: head.filename })
      }
      await wanted.promise
      if (sink === null) return
      wanted = Promise.withResolvers<void>()
      // A copy: the reader owns its chunks and may move them away, the parser still reads from the original.
      sink.enqueue(bytes.slice())
    },
    async end() {
      release()?.close()
      await ended
    },
    async fail(error) {
      release()?.error(error)
      await ended
    },
  }
}

function tooLarge(
  what: string,
  limit: number,
  about: { field?: string; filename?: string },
  advice = '',
): MillraceError {
  const size = limit >= 1024 * 1024 ? `${Math.floor((limit / 1024 / 1024) * 10) / 10} MB` : `${limit} bytes`
  return new MillraceError('TOO_LARGE', `${what} is larger than ${size}${advice}.`, { details: { ...about, limit } })
}
