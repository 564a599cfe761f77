/** Takes secrets out of lines of a log, whatever wrote them there: a URL, a header, the message of an error. */

import { withoutStatementValues } from './statement-text.ts'

const GONE = '…'
const MEMBER = /^((proxy-)?authorization|(set-)?cookie|(x-)?api[-_]?key|passw(or)?d|secret|token)$/i
const PARAMETERS =
  'token|auth_?token|access_token|id_token|refresh_token|key|api[-_]?key|secret|password|sig|signature|x-amz-[a-z-]+|x-goog-[a-z-]+'

/** Patterns of secrets in text, each with its replacement, which keeps what is not secret. */
const SHAPES: readonly (readonly [shape: RegExp, rest: string])[] = [
  // API keys and the secrets of webhooks say what they are.
  [/(mr_|whsec_)[\w+/=-]{20,}/g, `$1${GONE}`],
  // A JWT begins with a JSON object in base64url. Not looked for within a word, or long words would take long.
  [/(?:(?<![\w-])|(?<=%[\da-f]{2}))eyJ[\w-]+\.[\w-]+(\.[\w-]*)?/gi, GONE],
  [/\b(Bearer|Basic) +[^\s"\\,;]+/gi, `$1 ${GONE}`],
  [new RegExp(`([?&;](?:${PARAMETERS})=)[^&\\s"'\\\\#<>]+`, 'gi'), `$1${GONE}`],
  // The code of a result is a secret: it gives access to the result without an API key.
  [/(\/results?\/)[\w-]+/g, `$1${GONE}`],
  [/(:\/\/)[^/\s"'\\@]+@/g, `$1${GONE}@`],
  // A member of an object that is shown within text.
  [
    /("(?:(?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?api[-_]?key|passw(?:or)?d|secret|token)"\s*:\s*)("(?:\\.|[^"\\])*"|\[[^\]]*\])/gi,
    `$1"${GONE}"`,
  ],
  // A header as text.
  [/\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(\s*:\s*)[^"\s][^\r\n]*/gi, `$1$2${GONE}`],
  // Parameters of a statement that are quoted without it.
  [/(^|\n)params: [^\n]*/g, `$1params: ${GONE}`],
]

/** Prefilter: a text without one of these contains no secret of the forms above. Most lines have none and are not parsed. */
const HINTS =
  /mr_|whsec_|eyJ|bearer|basic|[?&;]|:\/\/|authorization|cookie|api[-_]?key|passw|secret|token|params:|failed query|\/results?\//i

/** Removes secrets from text: those recognized by their form, and those that were added. */
export class Redactor {
  readonly #secrets = new Set<string>()

  /** @param secrets nulls are passed over */
  constructor(secrets: readonly (string | null)[] = []) {
    for (const secret of secrets) this.add(secret)
  }

  /** Adds a secret, which is removed from now on. */
  add(secret: string | null): void {
    if (secret !== null && secret !== '') this.#secrets.add(secret)
  }

  /** A line of a log, JSON or text, without secrets. */
  readonly line = (line: string): string => {
    if (!HINTS.test(line) && ![...this.#secrets].some((secret) => isIn(line, secret))) return line
    const value = parse(line)
    return value === undefined
      ? this.text(line)
      : `${JSON.stringify(this.#value(value))}${line.endsWith('\n') ? '\n' : ''}`
  }

  /** Text without secrets. */
  text(text: string): string {
    const redacted = [...this.#secrets].reduce((rest, secret) => rest.replaceAll(secret, GONE), text)
    return SHAPES.reduce(
      (rest, [shape, replacement]) => rest.replace(shape, replacement),
      withoutStatementValues(redacted),
    )
  }

  #value(value: unknown): unknown {
    if (typeof value === 'string') {
      const inner = /^\s*[[{]/.test(value) ? parse(value) : undefined
      return inner === undefined ? this.text(value) : JSON.stringify(this.#value(inner))
    }
    if (Array.isArray(value)) return value.map((one) => this.#value(one))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [
        this.text(name),
        MEMBER.test(name) && inner !== null ? GONE : this.#value(inner),
      ]),
    )
  }
}

/** As it is, or as JSON writes it. */
const isIn = (line: string, secret: string) =>
  line.includes(secret) || line.includes(JSON.stringify(secret).slice(1, -1))

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
