/** Shows how far several things are, in a terminal that is redrawn in place, or as a line a change where it can't be. */

/** One thing and how far it is. */
export interface Bar {
  readonly label: string
  /** 0 to 100. */
  readonly percent: number
  /** What is being done, or what came of it. */
  readonly note: string
}

/** Where it is shown: standard output, or a stand-in for it. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

const CELLS = 20
const CLEAR_LINE = '\u001B[2K'
const HIDE_CURSOR = '\u001B[?25l'
const SHOW_CURSOR = '\u001B[?25h'

/** One line of text for a bar, its label padded to a width. */
export function barLine({ label, percent, note }: Bar, width: number): string {
  const full = Math.round((Math.min(100, Math.max(0, percent)) / 100) * CELLS)
  const cells = '█'.repeat(full) + '░'.repeat(CELLS - full)
  return `${label.padEnd(width)}  ${cells} ${String(Math.round(percent)).padStart(3)} %  ${note}`.trimEnd()
}

/** Draws bars again and again. */
export class Screen {
  readonly #terminal: Terminal
  #drawn: readonly string[] = []
  #sharesServerMemory = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** Shows bars in place of those shown before. */
  show(bars: readonly Bar[]): void {
    const { isTTY = false } = this.#terminal
    // Terminals of no known size say 0.
    const columns = this.#terminal.columns || 80
    const rows = this.#terminal.rows || 24
    const width = Math.max(0, ...bars.map(({ label }) => label.length))
    const lines = bars.map((bar) => barLine(bar, width))
    // What is longer than the screen can't be gone back to.
    if (isTTY && bars.length < rows) this.#redraw(lines, columns)
    else this.#append(lines)
  }

  /** Leaves the terminal as it was found, what was shown included. */
  close(): void {
    if (this.#sharesServerMemory) this.#terminal.write(SHOW_CURSOR)
    this.#sharesServerMemory = false
    this.#drawn = []
  }

  #redraw(lines: readonly string[], columns: number): void {
    // A line that wrapped would be two to go back over.
    const cut = lines.map((line) => [...line].slice(0, columns - 1).join(''))
    const up = this.#drawn.length > 0 ? `\u001B[${this.#drawn.length}A` : HIDE_CURSOR
    this.#terminal.write(up + cut.map((line) => `${CLEAR_LINE}${line}\n`).join(''))
    this.#drawn = cut
    this.#sharesServerMemory = true
  }

  #append(lines: readonly string[]): void {
    const changed = lines.filter((line, i) => line !== this.#drawn[i])
    if (changed.length > 0) this.#terminal.write(changed.map((line) => `${line}\n`).join(''))
    this.#drawn = lines
  }
}
