/**
 * Turns the bytes of a multipart/form-data body into steps: a part begins, some of its bytes, it ends, the form ends.
 * `multipasta` finds boundaries and headers; what it can't do is done here: names beyond Latin-1, quoted and
 * percent-encoded names, boundaries with any character, and a closing boundary that arrives in pieces.
 */

import { type Config, type MultipartError, make } from 'multipasta'
import { MillraceError } from '../../errors.ts'

/** Headers of a part, which come before its bytes. */
export interface PartHead {
  readonly name: string
  /** As the sender wrote it, path and all; null for a plain field. */
  readonly filename: string | null
  /** Without parameters, lower case. */
  readonly contentType: string
}

/** One thing that happens in a form, in order. */
export type Step =
  | { readonly kind: 'begin'; readonly head: PartHead }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'done' }

/** Takes the body piece by piece; both functions give the steps that became certain. */
export interface StepParser {
  /** @throws MillraceError INVALID_REQUEST when the bytes are not of a form; the steps before the fault are lost */
  feed(piece: Uint8Array): Step[]
  /** To be called once, after the last piece. @throws MillraceError INVALID_REQUEST as well when the form is cut off */
  end(): Step[]
}

const DASH = 45
/** As many dashes as a closing line can have in a row: two before the boundary, 70 in it, two after. */
const MAX_DASHES = 74

/**
 * A parser for one body.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE for any other content type, INVALID_REQUEST when the boundary is missing
 */
export function createStepParser(contentType: string | null): StepParser {
  let steps: Step[] = []
  let fault: MillraceError | undefined
  let held = 0
  let done = false
  const parser = make({
    headers: { 'content-type': `multipart/form-data; boundary="${boundaryOf(contentType)}"` },
    // Every part is taken as a stream, so that limits know whose bytes they count.
    isFile: () => true,
    onField: () => {},
    onFile: ({ headers }) => {
      const head = headOf(headers)
      if (head === null) fault ??= malformed('A part of the form has no readable name.')
      else if (!done) steps.push({ kind: 'begin', head })
      return (bytes) => {
        if (!done) steps.push(bytes === null ? { kind: 'end' } : { kind: 'bytes', bytes })
      }
    },
    onError: (error) => {
      fault ??= malformed(sentenceOf(error))
    },
    onDone: () => {
      if (!done) steps.push({ kind: 'done' })
      done = true
    },
  } satisfies Config)

  /** Runs the parser and returns the steps it made. Bytes after the closing boundary belong to no part, so a fault there is ignored. */
  function advance(move: () => void): Step[] {
    try {
      move()
    } catch (error) {
      fault ??= malformed('The form cannot be read.', error)
    }
    if (fault !== undefined && !done) throw fault
    const made = steps
    steps = []
    return made
  }

  return {
    feed(piece) {
      if (done || piece.length === 0) return []
      // multipasta misses the closing "--" when a piece ends between the two dashes, so no piece ends in a dash.
      const whole = prepend(held, piece)
      held = trailingDashes(whole)
      return advance(() => parser.write(whole.subarray(0, whole.length - held)))
    },
    end() {
      if (done) return []
      const made = advance(() => {
        parser.write(prepend(held, new Uint8Array()))
        parser.end()
      })
      if (!done) throw malformed('The form is cut off: its closing boundary is missing.')
      return made
    },
  }
}

function prepend(dashes: number, piece: Uint8Array): Uint8Array {
  if (dashes === 0) return piece
  const whole = new Uint8Array(dashes + piece.length).fill(DASH, 0, dashes)
  whole.set(piece, dashes)
  return whole
}

function trailingDashes(piece: Uint8Array): number {
  let count = 0
  while (count < MAX_DASHES && piece.at(-1 - count) === DASH) count++
  return count
}

function boundaryOf(contentType: string | null): string {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type !== 'multipart/form-data') {
    throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', 'Send the request as multipart/form-data.')
  }
  const found = /;\s*boundary=(?:"([^"]*)"|([^\s;]*))/i.exec(contentType ?? '')
  const boundary = found?.[1] ?? found?.[2] ?? ''
  if (!/^[ !#-[\]-~]{1,70}$/.test(boundary)) {
    throw malformed('The Content-Type of the form names no boundary.')
  }
  return boundary
}

function headOf(headers: Record<string, string | string[]>): PartHead | null {
  const disposition = parseDisposition(first(headers['content-disposition']))
  const name = disposition?.get('name')
  if (disposition === null || name === undefined) return null
  const type = first(headers['content-type']).split(';', 1)[0]?.trim().toLowerCase() ?? ''
  // undici leaves an empty filename out; bytes of no known type are a file even so.
  const unnamed = type === 'application/octet-stream' ? '' : null
  const filename = extended(disposition.get('filename*')) ?? disposition.get('filename') ?? unnamed
  return { name, filename, contentType: type || (filename === null ? 'text/plain' : 'application/octet-stream') }
}

function first(header: string | string[] | undefined): string {
  return (typeof header === 'string' ? header : header?.[0]) ?? ''
}

/** The parameters of `form-data; name="…"; filename="…"`, null when the header is anything else. */
function parseDisposition(header: string): Map<string, string> | null {
  const type = /^\s*form-data\s*/i.exec(header)
  if (type === null) return null
  const parameters = new Map<string, string>()
  const parameter = /;\s*([^\s=;"]+)\s*=\s*/y
  for (let at = type[0].length; at < header.length; ) {
    parameter.lastIndex = at
    const key = parameter.exec(header)?.[1]
    if (key === undefined) return /^[;\s]*$/.test(header.slice(at)) ? parameters : null
    const value =
      header[parameter.lastIndex] === '"' ? quoted(header, parameter.lastIndex) : bare(header, parameter.lastIndex)
    if (value === null) return null
    parameters.set(key.toLowerCase(), value.text)
    at = value.end
  }
  return parameters
}

function bare(header: string, start: number): { text: string; end: number } {
  const semicolon = header.indexOf(';', start)
  const end = semicolon === -1 ? header.length : semicolon
  return { text: header.slice(start, end).trim(), end }
}

/**
 * A quoted value from its opening quote on; null when it never closes. curl puts a backslash before quotes and
 * backslashes; browsers write %22, %0D and %0A for quotes and line ends and leave everything else, also a backslash
 * or another percent sign, as it is.
 */
function quoted(header: string, start: number): { text: string; end: number } | null {
  let text = ''
  for (let at = start + 1; at < header.length; at++) {
    const character = header.charAt(at)
    const next = header.charAt(at + 1)
    if (character === '"') {
      const space = /\s*/y
      space.lastIndex = at + 1
      space.test(header)
      return { text: text.replace(/%(22|0D|0A)/gi, decodeURIComponent), end: space.lastIndex }
    }
    if (character === '\\' && (next === '"' || next === '\\')) {
      text += next
      at++
    } else {
      text += character
    }
  }
  return null
}

/** `UTF-8''na%20me` decoded; undefined when it is not written so. RFC 7578 forbids it, some clients send it. */
function extended(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value ?? '')?.[1]
  if (encoded === undefined) return undefined
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

function sentenceOf(error: MultipartError): string {
  switch (error._tag) {
    case 'EndNotReached':
      return 'The form is cut off: its closing boundary is missing.'
    case 'BadHeaders':
      return 'A part of the form has headers that cannot be read.'
    case 'InvalidDisposition':
      return 'A part of the form has no readable name.'
    case 'InvalidBoundary':
    case 'ReachedLimit':
      return 'The form cannot be read.'
  }
}

function malformed(message: string, cause?: unknown): MillraceError {
  return new MillraceError('INVALID_REQUEST', message, { cause })
}
