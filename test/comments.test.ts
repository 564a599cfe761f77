/** Comments begin with a verb or a noun that says what the thing does, not with a question word (CONTRIBUTING.md, "Write"). */
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const QUESTION = /^(?:What|Whether|Who|Where|How)\b/
/** First text of a comment: of a line, of a block, or of a block whose text begins on its next line. */
const OPENING = /^[ \t]*(?:\/\*\*[ \t]*(?:\n[ \t]*\*[ \t]*)?|\/\/[ \t]*)(\S[^\n]*)/gm

/** The openings of comments that are question words. Of several `//` lines in a row only the first opens a comment. */
function faults(source: string): string[] {
  return [...source.matchAll(OPENING)].flatMap((match) => {
    const [, text = ''] = match
    const before = source.slice(0, match.index).trimEnd().split('\n').at(-1)?.trim() ?? ''
    const goesOn = match[0].trimStart().startsWith('//') && before.startsWith('//')
    return QUESTION.test(text) && !goesOn ? [text] : []
  })
}

it('open with what the thing does', async () => {
  const found: string[] = []
  for await (const file of glob(['src/**/*.ts', 'scripts/*.ts'], { cwd: ROOT })) {
    for (const fault of faults(await readFile(join(ROOT, file), 'utf8'))) found.push(`${file}: ${fault}`)
  }
  expect(found).toEqual([])
})

it.each([
  ['a line', '// What it does'],
  ['a block', '/** Whether it does. */'],
  ['a block of several lines', '  /**\n   * How it does.\n   */'],
])('would catch %s', (_, source) => {
  expect(faults(source)).toHaveLength(1)
})

it.each(['// Reads.\n// What it reads is kept.', '/** Reads what is there. */', '/** Whoever calls. */'])(
  'lets pass %j',
  (source) => {
    expect(faults(source)).toEqual([])
  },
)
