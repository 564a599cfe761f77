/**
 * Turns the bytes of a multipart/form-data body into steps: a part begins, some of its bytes, it ends, the form ends.
 * `multipasta` finds boundaries and headers; what it can't do is done here: names beyond Latin-1, quoted and
 * percent-encoded names, boundaries with any character, and a closing boundary that arrives in pieces.
 */

import { type Config, type MultipartError, make } from 'multipasta'
import { MillraceError } from '../../errors.ts'
import { parseCharset } from '../../formats/charsets.ts'

/** Headers of a part, which come before its bytes. */
export interface PartHead {
  /** Number of the part in its form, from 1. */
  readonly number: number
  readonly name: string
  /** As the sender wrote it, path and all; null for a plain field. */
  readonly filename: string | null
  /** Without parameters, lower case. */
  readonly contentType: string
  /** As its Content-Type says, lower case; null where it says none. */
  readonly charset: string | null
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
/** Takes every part as a stream, so that limits know whose bytes they count. */
const ALL_STREAMED = { isFile: () => true, onField: () => {} } satisfies Partial<Config>
const BAD_FILENAME = "can't be read: a file name in filename* is not percent-encoded."

/**
 * A parser for one body.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE for any other content type, INVALID_REQUEST when the boundary is missing
 */
export function createStepParser(contentType: string | null): StepParser {
  let steps: Step[] = []
  let fault: MillraceError | undefined
  let held = 0
  let parts = 0
  let done = false
  /** Notes what is wrong. What follows the closing boundary belongs to no part, so a fault there is none. */
  const blame = (what: string, cause?: unknown) => {
    if (!done) fault ??= malformed(what, cause)
  }
  const parser = make({
    headers: { 'content-type': `multipart/form-data; boundary="${boundaryOf(contentType)}"` },
    ...ALL_STREAMED,
    onFile: ({ headers }) => {
      const head = headOf(headers, ++parts)
      if (typeof head === 'string') blame(`Part ${parts} of the form ${head}.`)
      else if (!done) steps.push({ kind: 'begin', head })
      return (bytes) => {
        if (!done) steps.push(bytes === null ? { kind: 'end' } : { kind: 'bytes', bytes })
      }
    },
    onError: (error) => blame(sentenceOf(error, parts + 1)),
    onDone: () => {
      if (!done) steps.push({ kind: 'done' })
      done = true
    },
  } satisfies Config)

  /** Runs the parser and returns the steps it made. */
  function advance(move: () => void): Step[] {
    try {
      move()
    } catch (error) {
      blame(`The headers of part ${parts + 1} of the form ${BAD_FILENAME}`, error)
    }
    if (fault !== undefined) throw fault
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
    const came = type === '' ? '' : `, not as "${type.slice(0, 100)}"`
    throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', `Send the request as multipart/form-data${came}.`)
  }
  const found = /;\s*boundary=(?:"([^"]*)"|([^\s;]*))/i.exec(contentType ?? '')
  const boundary = found?.[1] ?? found?.[2] ?? ''
  if (!/^[ !#-[\]-~]{1,70}$/.test(boundary)) {
    throw malformed('The Content-Type of the form names no boundary.')
  }
  return boundary
}

/** Characters of no name: bytes that are not UTF-8 come as U+FFFD, and a NUL ends a name in many a program. */
const NO_NAME = /[\0\ufffd]/

/** The head of a part; a text that says what is wrong with it. */
function headOf(headers: Record<string, string | string[]>, number: number): PartHead | string {
  const disposition = headers['content-disposition']
  if (disposition === undefined) return 'has no Content-Disposition'
  if (typeof disposition !== 'string') return 'has two Content-Dispositions'
  const parameters = parseDisposition(disposition)
  if (typeof parameters === 'string') return parameters
  const name = parameters.get('name')
  if (name === undefined) return 'has no name'
  if (NO_NAME.test(name)) return 'has a name that is not UTF-8, or holds NUL'
  const type = first(headers['content-type']).split(';', 1)[0]?.trim().toLowerCase() ?? ''
  // undici leaves an empty filename out; bytes of no known type are a file even so.
  const unnamed = type === 'application/octet-stream' ? '' : null
  const encoded = parameters.get('filename*')
  const filename = extended(encoded) ?? parameters.get('filename') ?? (encoded === undefined ? unnamed : undefined)
  if (filename === undefined) {
    return `("${shown(name)}") has a filename* that is not "UTF-8''" or "ISO-8859-1''" and a percent-encoded name`
  }
  if (filename !== null && NO_NAME.test(filename)) {
    return `("${shown(name)}") has a file name that is not UTF-8, or holds NUL`
  }
  const contentType = type || (filename === null ? 'text/plain' : 'application/octet-stream')
  return { number, name, filename, contentType, charset: parseCharset(first(headers['content-type'])) }
}

/** A name as a sentence shows it. */
const shown = (name: string) => (name.length <= 100 ? name : `${name.slice(0, 100).toWellFormed()}…`)

function first(header: string | string[] | undefined): string {
  return (typeof header === 'string' ? header : header?.[0]) ?? ''
}

/** The parameters of `form-data; name="…"; filename="…"`; a text that says what is wrong with it where it is anything else. */
function parseDisposition(header: string): Map<string, string> | string {
  const type = /^\s*form-data\s*/i.exec(header)
  if (type === null) return 'has a Content-Disposition that is not form-data'
  const parameters = new Map<string, string>()
  const parameter = /;\s*([^\s=;"]+)\s*=\s*/y
  for (let at = type[0].length; at < header.length; ) {
    parameter.lastIndex = at
    const key = parameter.exec(header)?.[1]?.toLowerCase()
    if (key === undefined) {
      return /^[;\s]*$/.test(header.slice(at)) ? parameters : "has a Content-Disposition that can't be read"
    }
    const value =
      header[parameter.lastIndex] === '"' ? quoted(header, parameter.lastIndex) : bare(header, parameter.lastIndex)
    if (value === null) return `has a ${key} whose quotes are not closed`
    if (parameters.has(key)) return `has ${key} twice in its Content-Disposition`
    parameters.set(key, value.text)
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

/** Decodes `UTF-8''na%20me` (RFC 8187); undefined when it is not written so. RFC 7578 forbids it, some clients send it. */
function extended(value: string | undefined): string | undefined {
  const [, charset = '', encoded = ''] = /^(utf-8|iso-8859-1)'[^']*'(.*)$/i.exec(value ?? '') ?? []
  if (charset === '') return undefined
  try {
    if (charset.toLowerCase() === 'utf-8') return decodeURIComponent(encoded)
    return encoded.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  } catch {
    return undefined
  }
}

/** @param part number of the part whose headers come next */
function sentenceOf(error: MultipartError, part: number): string {
  switch (error._tag) {
    case 'EndNotReached':
      return 'The form is cut off: its closing boundary is missing.'
    case 'BadHeaders':
      return `Part ${part} of the form has headers that can't be read: ${FAULTS[error.error.reason] ?? error.error.reason}.`
    case 'InvalidDisposition':
      return `Part ${part} of the form has no name.`
    case 'InvalidBoundary':
    case 'ReachedLimit':
      return 'The form cannot be read.'
  }
}

/** Reasons that `multipasta` gives for headers that it does not take. */
const FAULTS: Readonly<Record<string, string>> = {
  TooManyHeaders: 'there are more than 100',
  HeaderTooLarge: 'they hold more than 16 KB',
  InvalidHeaderName: 'a name holds a character that none may hold',
  InvalidHeaderValue: 'a value holds a control character such as NUL',
}

function malformed(message: string, cause?: unknown): MillraceError {
  return new MillraceError('INVALID_REQUEST', message, { cause })
}
