/** Text of cells: plain, or in runs of their own styles. */
import { MillraceError } from '../../errors.ts'

/** Characters that one cell may have; Excel's own limit is 32,767. */
export const MAX_CELL_CHARACTERS = 1_000_000

/** Gathers the text of an element that holds `t` elements (`si`, `is`), without the readings that are printed above East Asian words. */
export class RichText {
  #text = ''
  #isInText = false
  #readings = 0

  open(name: string): void {
    if (name === 'rPh') this.#readings++
    else if (name === 't') this.#isInText = this.#readings === 0
  }

  /** @throws MillraceError TOO_LARGE */
  text(text: string): void {
    if (!this.#isInText) return
    this.#text += text
    if (this.#text.length > MAX_CELL_CHARACTERS) {
      throw new MillraceError('TOO_LARGE', 'A cell of the workbook holds more than a million characters.')
    }
  }

  close(name: string): void {
    if (name === 'rPh') this.#readings--
    else if (name === 't') this.#isInText = false
  }

  /** Gives what was gathered, and begins anew. */
  take(): string {
    const text = unescapeText(this.#text)
    this.#text = ''
    return text
  }
}

/** Replaces what the standard writes for characters that XML does not hold: `_x000D_` is a carriage return, `_x005F_` an underscore. */
export function unescapeText(text: string): string {
  if (!text.includes('_x')) return text
  const whole = text.replace(/_x([0-9a-f]{4})_/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return whole.isWellFormed() ? whole : text
}
