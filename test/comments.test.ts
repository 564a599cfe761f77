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

/** Words with a private meaning, which standard terms replaced: notified, published, due, leased, virtual time. */
const PRIVATE =
  /\b(?:un)?told\b|\btell(?:s|ing)?\b|\bfalls? due\b|\b(?:whoever|nobody|somebody|anybody|everybody|foresaw)\b|\bas one who\b|\b(?:takes?|gets?|has|have) (?:its|their) turns?\b|\bjobs? (?:that )?(?:is|are) held\b/i
/** Files whose comments are free of them. */
const PLAIN = 'src/**/*.{ts,tsx}'

/** Lines of comments that hold such words. */
function privateWords(source: string): string[] {
  return source.split('\n').filter((line) => /^\s*(?:\/\*\*|\*|\/\/)/.test(line) && PRIVATE.test(line))
}

it('use standard terms', async () => {
  const found: string[] = []
  for await (const file of glob(PLAIN, { cwd: ROOT })) {
    for (const fault of privateWords(await readFile(join(ROOT, file), 'utf8'))) found.push(`${file}: ${fault}`)
  }
  expect(found).toEqual([])
  expect(privateWords('// Readers are told.\n/** Wakes it when a job falls due. */\nconst told = 1')).toHaveLength(2)
})

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
