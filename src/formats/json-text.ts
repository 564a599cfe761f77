/** Reading of JSON text that callers send: bytes of its punctuation, what it holds, and names that stand in an object twice. */
import { endOfString, holdsLongRun, isDoubtfulNumber, withLosslessNumbers } from '../lossless-json.ts'

export const QUOTE = 34
export const COMMA = 44
export const COLON = 58
export const BACKSLASH = 92
export const OPEN = 91
export const CLOSE = 93
export const OPEN_OBJECT = 123
export const CLOSE_OBJECT = 125

/** Whitespace between the tokens of JSON. */
export const isBlank = (byte: number) => byte === 32 || byte === 10 || byte === 13 || byte === 9

/** An object has a member of the same name twice. Parsers differ in which they take, so none is. */
export class RepeatedNameError extends SyntaxError {
  /** Steps to the second of them: `items`, `0`, `amount`. */
  readonly path: readonly string[]

  constructor(path: readonly string[]) {
    super(`the name "${path.at(-1)}" is there twice in one object`)
    this.name = 'RepeatedNameError'
    this.path = path
  }
}

/** Values and member names of JSON, and its levels of nesting. */
export interface JsonMeasure {
  readonly nodes: number
  readonly depth: number
}

/** Maximum nesting of JSON from callers. A Worker's stack has room for some thousand frames, which the parser shares with its callers. */
export const MAX_DEPTH = 1_000

interface SentBounds {
  /** Levels of nesting that it may have. Default: `MAX_DEPTH`. */
  readonly depth?: number
  /** Values and member names of the text, where they were counted. */
  readonly nodes?: number
}

/**
 * Parses JSON from a caller, numbers as `parseLossless` does.
 * @throws SyntaxError; RepeatedNameError
 */
export function parseSent(text: string, bounds: SentBounds = {}): unknown {
  const { value, isDoubtful } = parseDoubles(text, bounds)
  return isDoubtful || holdsLongRun(text) ? withLosslessNumbers(text, value) : value
}

/**
 * Parses it likewise, but numbers as doubles, in half of the time: for a look at whether it is JSON.
 * @returns `isDoubtful`: true where a double may not be the number that was sent
 * @throws SyntaxError; RepeatedNameError
 */
export function parseDoubles(text: string, bounds: SentBounds = {}): { value: unknown; isDoubtful: boolean } {
  const value: unknown = JSON.parse(text)
  const { depth = MAX_DEPTH, nodes = countNodes(text) } = bounds
  const tally: Tally = { nodes: 0, isDoubtful: false, levels: depth }
  count(value, 0, tally)
  if (tally.nodes < nodes) {
    const path = findRepeatedName(text)
    if (path !== null) throw new RepeatedNameError(path)
  }
  return { value, isDoubtful: tally.isDoubtful }
}

interface Tally {
  nodes: number
  isDoubtful: boolean
  readonly levels: number
}

/** Counts as {@link measureJson} does, but for members that a later one of their name replaced. */
function count(value: unknown, level: number, tally: Tally): void {
  tally.nodes++
  if (typeof value === 'number') {
    tally.isDoubtful ||= isDoubtfulNumber(value)
    return
  }
  if (typeof value !== 'object' || value === null) return
  if (level === tally.levels)
    throw new SyntaxError(`it is nested more than ${tally.levels.toLocaleString('en')} levels deep`)
  const isList = Array.isArray(value)
  const values: unknown[] = isList ? value : Object.values(value)
  if (!isList) tally.nodes += values.length
  for (const inner of values) count(inner, level + 1, tally)
}

/** Counts the values and member names of a JSON text as `measureJson` does. */
export function countNodes(text: string): number {
  return measureJson(text).nodes
}

/**
 * Counts the values and member names of a JSON text and its levels of nesting, without making them.
 * @param text JSON; of any other text the numbers mean nothing
 */
export function measureJson(text: string): JsonMeasure {
  let nodes = 1
  let level = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const kind = text.charCodeAt(at)
    if (kind === QUOTE) at = endOfString(text, at)
    else if (kind === COMMA || kind === COLON) nodes++
    else if (kind === CLOSE || kind === CLOSE_OBJECT) level--
    else if (kind === OPEN || kind === OPEN_OBJECT) {
      depth = Math.max(depth, ++level)
      while (at + 1 < text.length && isBlank(text.charCodeAt(at + 1))) at++
      const next = text.charCodeAt(at + 1)
      if (next !== CLOSE && next !== CLOSE_OBJECT) nodes++
    }
  }
  return { nodes, depth }
}

/** An object or array that is open: the names it has so far, null for an array, and where in it the reader stands. */
interface Open {
  readonly names: Set<string> | null
  step: string
  index: number
}

/**
 * Finds a name that an object has twice.
 * @param text valid JSON
 * @returns the steps to it; null where there is none
 */
function findRepeatedName(text: string): string[] | null {
  const open: Open[] = []
  let string = ''
  for (let at = 0; at < text.length; at++) {
    const kind = text.charCodeAt(at)
    const here = open.at(-1)
    if (kind === QUOTE) {
      const end = endOfString(text, at)
      string = text.slice(at, end + 1)
      at = end
    } else if (kind === COLON && here?.names != null) {
      here.step = String(JSON.parse(string))
      if (here.names.has(here.step)) return open.map(({ step }) => step)
      here.names.add(here.step)
    } else if (kind === COMMA && here?.names === null) here.step = String(++here.index)
    else if (kind === OPEN) open.push({ names: null, step: '0', index: 0 })
    else if (kind === OPEN_OBJECT) open.push({ names: new Set(), step: '', index: 0 })
    else if (kind === CLOSE || kind === CLOSE_OBJECT) open.pop()
  }
  return null
}
