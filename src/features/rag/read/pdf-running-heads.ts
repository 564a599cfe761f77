/** Removes running headers and footers, which searches would otherwise find instead of the text. */
import type { PrintedLine } from './pdf-lines.ts'

/** Height of the margins that are searched for them, as a share of the page. */
const MARGIN = 0.1
/** Fewest pages in which a repetition counts. */
const MIN_PAGES = 3
/** Share of the pages on which a line must repeat; facing pages often have two kinds. */
const REPEATS = 0.3

/** Returns pages without running heads and page numbers. Digits may differ between pages. */
export function withoutRunningHeads(pages: readonly (readonly PrintedLine[])[]): PrintedLine[][] {
  const counts = new Map<string, number>()
  for (const lines of pages) {
    const keys = new Set(lines.filter(isInMargin).map(keyOf))
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const filled = pages.filter((lines) => lines.length > 0).length
  const repeats = (line: PrintedLine) => (counts.get(keyOf(line)) ?? 0) >= Math.max(MIN_PAGES, REPEATS * filled)
  return pages.map((lines) => lines.filter((line) => !(isInMargin(line) && (isPageNumber(line) || repeats(line)))))
}

function isInMargin({ depth }: PrintedLine): boolean {
  return depth < MARGIN || depth > 1 - MARGIN
}

function isPageNumber({ text }: PrintedLine): boolean {
  return /^[\s|–—-]*\d{1,4}[\s|–—-]*$/.test(text)
}

function keyOf({ text }: PrintedLine): string {
  return text.toLowerCase().replace(/\d+/g, '#').replace(/\s+/g, ' ').trim()
}
