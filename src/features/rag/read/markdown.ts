/** Reads Markdown (CommonMark with GitHub's tables) through HTML. */
import { Marked } from 'marked'
import { type BlockWriter, collapse } from './block-writer.ts'
import { type HtmlFacts, readHtml } from './html.ts'

/** Front matter: metadata between two lines of `---` at the very beginning. */
const FRONT_MATTER = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/

/**
 * Reads Markdown. `title` and `lang` of its front matter are read; the rest of the front matter is left out.
 * @throws MillraceError TOO_LARGE
 */
export async function readMarkdown(text: string, writer: BlockWriter): Promise<HtmlFacts> {
  const front = FRONT_MATTER.exec(text)
  const body = front ? text.slice(front[0].length) : text
  const facts = readHtml(await new Marked({ gfm: true }).parse(body), writer)
  const title = frontMatterField(front?.[1], 'title') ?? facts.title
  const language = frontMatterField(front?.[1], 'lang') ?? facts.language
  return language === undefined ? { title } : { title, language }
}

function frontMatterField(front: string | undefined, name: string): string | undefined {
  const line = front?.split(/\r?\n/).find((candidate) => candidate.startsWith(`${name}:`))
  const value = collapse(line?.slice(name.length + 1) ?? '').replace(/^(["'])(.*)\1$/, '$2')
  return value === '' ? undefined : value
}
