/** Limits on what a JSON body may hold, and the error of one that holds more. */

/** Limits on what a JSON body may hold. */
export interface JsonBodyBounds {
  /** Values and member names in all. */
  readonly nodes: number
  /** Values and member names of one element of an outermost array, and of all that is in no such array. */
  readonly valueNodes: number
  /** Bytes of one such element, and of all that is in no such array; long blanks do not count. */
  readonly valueBytes: number
  /** Elements of an outermost array that are parsed. The rest is only counted, so that the caller can refuse the body. */
  readonly elements: number
  /** Levels of nesting, the outermost value being the first. */
  readonly depth: number
}

/** A body holds more than it may. */
export class JsonBodyTooLarge extends Error {
  /** Path of the value that is too large: `items.3`, or the empty text for the whole body. */
  readonly field: string
  readonly limit: number
  readonly unit: 'values' | 'bytes'

  constructor(field: string, limit: number, unit: 'values' | 'bytes') {
    super(`${field}: more than ${limit} ${unit}`)
    this.field = field
    this.limit = limit
    this.unit = unit
  }
}
