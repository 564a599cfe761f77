/** Parses XML as a stream of tags and texts, each with the path of its elements. */
import { Parser } from 'htmlparser2'

/** Callbacks of {@link readXml}; names of elements and attributes keep their prefixes (`a:t`). */
export interface XmlHandlers {
  open?(name: string, attributes: Readonly<Record<string, string>>): void
  /** `path`: the open elements, the outermost first. */
  text?(text: string, path: readonly string[]): unknown
  close?(name: string): void
}

/** Parses XML to its end, also malformed. Entities that a DTD declares are not expanded. */
export function readXml(xml: string, handlers: XmlHandlers): void {
  const path: string[] = []
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        path.push(name)
        handlers.open?.(name, attributes)
      },
      ontext: (text) => handlers.text?.(text, path),
      onclosetag: (name) => {
        path.pop()
        handlers.close?.(name)
      },
    },
    { xmlMode: true },
  )
  parser.end(xml)
}
