/** Groups a chunk's sentences into runs, each of which is embedded as one vector. */
import type { Block, Run } from '../types.ts'
import { type Atom, countWords, cutByWords } from './atoms.ts'

/** Most words of a run. A vector of more represents each sentence worse. */
const MAX_RUN_WORDS = 35
/** Words up to which a paragraph is one run with its heading: its sentences share a topic, and separate ones would lose what they refer to. */
const MAX_WHOLE_PARAGRAPH_WORDS = 50
/** Words from which a run ends with its paragraph, so that a run has one topic; shorter paragraphs are joined. */
const MIN_PARAGRAPH_WORDS = 8

/** Returns the path of headings of a block, including the block where it is a heading. */
export function headingPath({ block }: Atom): string | undefined {
  const path = block.kind === 'heading' ? [...block.headings, block.text] : block.headings
  return path.length === 0 ? undefined : path.join(' › ')
}

/**
 * Makes the runs of a chunk: a paragraph of up to 50 words whole; of longer ones whole sentences, up to 35 words; longer sentences in parts;
 * a heading with what follows it.
 * @param text the document's text, of which the atoms are parts
 */
export function makeRuns(text: string, atoms: readonly Atom[]): Run[] {
  const begin = atoms[0]?.start ?? 0
  const runs: Run[] = []
  const counts = atoms.map(({ start, end }) => countWords(text.slice(start, end)))
  const blockWords = new Map<Block, number>()
  for (const [index, { block }] of atoms.entries())
    blockWords.set(block, (blockWords.get(block) ?? 0) + (counts[index] ?? 0))
  let current: { atoms: Atom[]; words: number } = { atoms: [], words: 0 }
  let maxWords = MAX_RUN_WORDS
  const close = () => {
    runs.push(...runsOf(text, current, begin, maxWords))
    current = { atoms: [], words: 0 }
  }
  for (const [index, atom] of atoms.entries()) {
    const words = counts[index] ?? 0
    const last = current.atoms.at(-1)
    if (last !== undefined && endsBefore(atom, last, current.words)) close()
    if (last?.block !== atom.block) {
      const whole = current.words + (blockWords.get(atom.block) ?? 0)
      const max = !isListed(atom) && whole <= MAX_WHOLE_PARAGRAPH_WORDS ? MAX_WHOLE_PARAGRAPH_WORDS : MAX_RUN_WORDS
      if (current.words + words > max) close()
      maxWords = max
    } else if (current.words + words > maxWords) close()
    current.atoms.push(atom)
    current.words += words
  }
  close()
  return runs
}

/** Returns true where a run ends before an atom: with its page, its section, and with its paragraph unless that is very short. */
function endsBefore(atom: Atom, last: Atom, words: number): boolean {
  const startsBlock = last.block !== atom.block && !isSameList(last, atom)
  const endsMatter = startsBlock && last.block.kind !== 'heading' && words >= MIN_PARAGRAPH_WORDS
  const startsSection = atom.block.kind === 'heading' && last.block.kind !== 'heading'
  return endsMatter || startsSection || last.block.page !== atom.block.page
}

/** Returns true for neighbours of one table or code block, which are joined as sentences of a paragraph are. */
const isSameList = (a: Atom, b: Atom) => a.block.kind === b.block.kind && isListed(b)

const isListed = ({ block: { kind } }: Atom) => kind === 'row' || kind === 'code'

function runsOf(
  text: string,
  { atoms, words }: { readonly atoms: readonly Atom[]; readonly words: number },
  begin: number,
  maxWords: number,
): Run[] {
  const [first, last] = [atoms[0], atoms.at(-1)]
  if (first === undefined || last === undefined) return []
  const whole = text.slice(first.start, last.end)
  const parts = words > maxWords ? cutByWords(whole, MAX_RUN_WORDS) : [{ start: 0, end: whole.length }]
  const heading = headingPath(last)
  const { page, startSeconds } = first.block
  const { endSeconds } = last.block
  return parts.flatMap(({ start, end }) => {
    const part = whole.slice(start, end)
    const used = part.trimEnd().length
    const skipped = part.length - part.trimStart().length
    if (used === 0) return []
    return {
      start: first.start - begin + start + skipped,
      end: first.start - begin + start + used,
      ...(page === undefined ? {} : { page }),
      ...(heading === undefined ? {} : { heading }),
      ...(startSeconds === undefined ? {} : { startSeconds }),
      ...(endSeconds === undefined ? {} : { endSeconds }),
    }
  })
}
