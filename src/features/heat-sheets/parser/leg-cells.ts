/** Detects the cells of relay legs, and marks names that fill theirs, whose ends may be cut off. */
import type { Line } from './lines.ts'
import type { Leg } from './relays.ts'
import type { SheetEntry } from './sheet.ts'

/** Fewest lines with a leg at the same position that make it a cell's edge. */
const FEWEST_LINES = 3
/** Letters from which a longest name length that several legs share counts as a cut. */
const SHORTEST_CUT = 12

interface Cell {
  readonly size: number
  readonly right: number
  /** Next leg on the line: its left edge on the page, and relative to the column. */
  readonly next?: { readonly x: number; readonly edge: number }
}

/** Collects the legs of a sheet with their positions. */
export class LegCells {
  readonly #edges = new Map<number, number>()
  readonly #cells = new WeakMap<Leg, Cell>()
  readonly #filled: { readonly entry: SheetEntry; readonly cell: Cell | undefined }[] = []

  /** Adds the legs of a line. */
  add({ left, size }: Line, legs: readonly Leg[]): void {
    for (const [i, leg] of legs.entries()) {
      const edge = Math.round(leg.x - left)
      this.#edges.set(edge, (this.#edges.get(edge) ?? 0) + 1)
      const x = legs[i + 1]?.x
      const next = x === undefined ? {} : { next: { x, edge: Math.round(x - left) } }
      this.#cells.set(leg, { size, right: leg.right, ...next })
    }
  }

  /** Assigns a leg its entry. */
  fill(leg: Leg, entry: SheetEntry): void {
    this.#filled.push({ entry, cell: this.#cells.get(leg) })
  }

  /** Marks, after the last line, names that reach the next cell, or have the longest length where several do. */
  markFull(): void {
    const longest = this.#filled.reduce((most, { entry }) => Math.max(most, entry.name.length), 0)
    const sharing = new Set(this.#filled.flatMap(({ entry: { name } }) => (name.length === longest ? [name] : [])))
    for (const { entry, cell } of this.#filled) {
      const isLongest = sharing.size > 1 && longest >= SHORTEST_CUT && entry.name.length === longest
      if (isLongest || this.#reachesNext(cell)) entry.full = true
    }
  }

  #reachesNext(cell: Cell | undefined): boolean {
    if (!cell?.next || cell.next.x - cell.right > 0.8 * cell.size) return false
    const { edge } = cell.next
    const lines = [edge - 1, edge, edge + 1].reduce((sum, at) => sum + (this.#edges.get(at) ?? 0), 0)
    return lines >= FEWEST_LINES
  }
}
