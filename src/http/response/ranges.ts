/** Parts of a whole: the `Range` header of RFC 9110, section 14, for one range of bytes. */

/** Part to answer with: some bytes, the whole, or `unsatisfiable` where there is no such part. */
export type Part = { readonly offset: number; readonly length: number } | 'whole' | 'unsatisfiable'

/**
 * The part of `size` bytes that a `Range` header asks for. Several ranges, and units other than bytes, get the whole, as a server may.
 * @param header undefined when there is none
 */
export function parseRange(header: string | undefined, size: number): Part {
  const [, from = '', to = ''] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(header ?? '') ?? []
  if (from === '' && to === '') return 'whole'
  if (from === '') {
    const length = Math.min(size, Number(to))
    return length === 0 ? 'unsatisfiable' : { offset: size - length, length }
  }
  const offset = Number(from)
  const last = to === '' ? size - 1 : Math.min(size - 1, Number(to))
  if (to !== '' && Number(to) < offset) return 'whole'
  return offset >= size ? 'unsatisfiable' : { offset, length: last - offset + 1 }
}
