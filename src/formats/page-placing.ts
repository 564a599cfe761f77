/** Computes the positions of text on a page as displayed, and rotates pages whose text is rotated, so that lines run from left to right. */

/** The part of pdf.js's viewport that is used. */
interface View {
  readonly transform: readonly number[]
  convertToViewportPoint(x: number, y: number): number[]
}

/** A page as far as it is turned. */
interface Turnable<Item> {
  readonly width: number
  readonly height: number
  readonly items: readonly Item[]
}

/** Quarter turns clockwise, from text that runs to the right. */
type Turn = 0 | 1 | 2 | 3

const TURNS: readonly Turn[] = [0, 1, 2, 3]

/** Collects which way the text of a page runs. */
export class Placer {
  readonly #view: View
  /** Letters by the way they run. */
  readonly #letters: Record<Turn, number> = { 0: 0, 1: 0, 2: 0, 3: 0 }

  constructor(view: View) {
    this.#view = view
  }

  /**
   * The position of a run of text, in points from the top left.
   * @param transform of the run, as pdf.js gives it
   * @param indent from where it begins to its first letter, along it
   * @param letters of the run
   */
  place(transform: readonly number[], indent: number, letters: number): [number, number] {
    const [a = 1, b = 0, , , e = 0, f = 0] = transform
    const [va = 1, vb = 0, vc = 0, vd = 1] = this.#view.transform
    const [dx, dy] = [va * a + vc * b, vb * a + vd * b]
    const length = Math.hypot(dx, dy) || 1
    this.#letters[turnOf(dx, dy)] += letters
    const [x = 0, y = 0] = this.#view.convertToViewportPoint(e, f)
    return [x + (indent * dx) / length, y + (indent * dy) / length]
  }

  /** The page turned so that most of its text runs to the right. */
  upright<Item extends { readonly x: number; readonly y: number }, Page extends Turnable<Item>>(page: Page): Page {
    const turn = TURNS.reduce((most, one) => (this.#letters[one] > this.#letters[most] ? one : most), 0)
    if (turn === 0) return page
    const { width, height } = page
    const turned = (x: number, y: number): [number, number] => {
      if (turn === 2) return [width - x, height - y]
      return turn === 1 ? [y, width - x] : [height - y, x]
    }
    const items = page.items.map((item) => {
      const [x, y] = turned(item.x, item.y)
      return { ...item, x, y }
    })
    return turn === 2 ? { ...page, items } : { ...page, width: height, height: width, items }
  }
}

function turnOf(dx: number, dy: number): Turn {
  if (Math.abs(dx) >= Math.abs(dy)) return dx >= 0 ? 0 : 2
  return dy > 0 ? 1 : 3
}
