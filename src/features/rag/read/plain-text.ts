/** Reads plain text: empty lines separate paragraphs. */
import type { BlockWriter } from './block-writer.ts'

/** Lines of a paragraph in a file without empty lines, such as a log. */
const MAX_LINES = 50

/**
 * Reads plain text. Wrapped lines become one paragraph.
 * @throws MillraceError TOO_LARGE
 */
export function readPlainText(text: string, writer: BlockWriter): void {
  let lines: string[] = []
  const flush = () => {
    writer.paragraph(joinLines(lines))
    lines = []
  }
  for (const line of text.split(/\r\n|[\n\r\u2028\u2029\f]/)) {
    if (line.trim() === '' || lines.length === MAX_LINES) flush()
    if (line.trim() !== '') lines.push(line)
  }
  flush()
}

/** Joins wrapped lines, without the soft hyphen of a divided word. */
export function joinLines(lines: readonly string[]): string {
  let text = ''
  for (const line of lines) text = text.endsWith('\u00AD') ? text.slice(0, -1) + line.trimStart() : `${text} ${line}`
  return text
}
