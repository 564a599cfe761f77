/**
 * Stack traces of a build that name the sources. Node can do this by itself (`--enable-source-maps`), and then spends a tenth of the start
 * on every line of what it loads; here a map is read when the first trace through its file is.
 */
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Makes `error.stack` name the sources of files that have a source map beside them, for the rest of this process. */
export function mapStackTraces(): void {
  Error.prepareStackTrace = (error, frames) =>
    [headline(error), ...frames.map((frame) => `    at ${describeFrame(frame)}`)].join('\n')
}

/** Says what Node does: its own errors have their code in it. */
function headline(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_') ? error.code : null
  const text = Error.prototype.toString.call(error)
  return code === null || text.includes(code) ? text : text.replace(error.name, `${error.name} [${code}]`)
}

function describeFrame(frame: NodeJS.CallSite): string {
  const text = String(frame)
  const file = frame.getFileName()
  const line = frame.getLineNumber()
  const column = frame.getColumnNumber()
  if (!file?.startsWith('file:') || line === null || column === null) return text
  const entry = readMap(file)?.findEntry(line - 1, column - 1)
  if (entry === undefined || !('originalSource' in entry)) return text
  const source = fileURLToPath(new URL(entry.originalSource, file))
  return text.replace(`${file}:${line}:${column}`, `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`)
}

const maps = new Map<string, SourceMap | null>()

/** The map of a file; null where it has none. */
function readMap(file: string): SourceMap | null {
  const known = maps.get(file)
  if (known !== undefined) return known
  let map: SourceMap | null = null
  try {
    map = new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${file}.map`), 'utf8')))
  } catch {
    // None, or none that can be read: the trace names the build.
  }
  maps.set(file, map)
  return map
}
