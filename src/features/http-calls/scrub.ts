/** Takes the secrets of a call out of what its receiver answers, which may echo them. */

/** Spellings of a secret that a receiver may give back: as it is, as JSON writes it, as a URL does, and in base64 alone or with a user name. */
function spellings(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1)
  return [secret, json, json.replaceAll('/', '\\/'), encodeURIComponent(secret), btoa(encodeLatin(secret))]
}

const encodeLatin = (text: string) => String.fromCharCode(...new TextEncoder().encode(text))

/**
 * Makes the function that does so.
 * @param secrets values by name
 */
export function scrubber(secrets: ReadonlyMap<string, string>): (text: string) => string {
  const known = [...secrets].flatMap(([name, secret]) =>
    [...new Set(spellings(secret))].map((spelling) => [spelling, `[secret ${name}]`] as const),
  )
  // The longest first, so that one that holds another is gone before it is cut.
  known.sort(([a], [b]) => b.length - a.length)
  return (text) => known.reduce((rest, [spelling, mark]) => rest.replaceAll(spelling, mark), text)
}
