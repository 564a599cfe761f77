/** Names of files behind links and of uploads. */
import { normalizeText } from './unicode.ts'

/** Content-Disposition is read no further than this, so that no header can keep the parser busy. */
const MAX_DISPOSITION = 2048

/** Longest file name handed on, in characters; the extension is kept. */
const MAX_NAME = 150

/** Longest name of an upload, in UTF-16 units. */
const MAX_UPLOADED_NAME = 255

// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern removes control characters, which no file name holds
const CONTROL = /[\u0000-\u001f\u007f]/g

/** Returns the last segment of an upload's name, which may be a path, without control characters; undefined where nothing is left. */
export function uploadedName(name: string): string | undefined {
  const last = name.split(/[/\\]/).at(-1) ?? ''
  return last.replace(CONTROL, '').slice(0, MAX_UPLOADED_NAME).toWellFormed() || undefined
}

/**
 * Determines the file name of a download (RFC 6266, RFC 8187).
 * @param disposition the Content-Disposition header; `filename*` wins over `filename`
 * @param url the address that answered; its last path segment is used where the header names nothing
 * @returns a bare name without folders, control or bidirectional characters, or characters file systems refuse; null
 * when nothing is left
 */
export function filenameOf(disposition: string | undefined, url: URL): string | null {
  const parameters = dispositionParameters(disposition ?? '')
  const segment = url.pathname.split('/').at(-1) ?? ''
  const candidates = [
    extendedValue(parameters.get('filename*')),
    repairUtf8(parameters.get('filename') ?? ''),
    percentDecoded(segment) ?? segment,
  ]
  for (const candidate of candidates) {
    const name = bareName(candidate ?? '')
    if (name !== '') return name
  }
  return null
}

/** Finds the file name that a link ends with, decoded; undefined where it ends with none. */
export function filenameInLink(url: string): string | undefined {
  return filenameOf(undefined, new URL(url)) ?? undefined
}

function dispositionParameters(header: string): Map<string, string> {
  const found = new Map<string, string>()
  const parameter = /;\s*([\w!#$&+.^`|~*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g
  for (const [, name = '', quoted, plain] of header.slice(0, MAX_DISPOSITION).matchAll(parameter)) {
    // Only quotes and backslashes are unescaped: servers that send Windows paths do not escape the rest.
    const value = quoted?.replace(/\\(["\\])/g, '$1') ?? plain?.trim() ?? ''
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), value)
  }
  return found
}

/** RFC 8187: `charset'language'percent-encoded`. Null when it is not that, or in another charset. */
function extendedValue(value: string | undefined): string | null {
  const [, charset, encoded] = value?.match(/^([\w-]+)'[\w-]*'(.*)$/s) ?? []
  if (charset === undefined || encoded === undefined) return null
  if (charset.toLowerCase() === 'utf-8') return percentDecoded(encoded)
  if (charset.toLowerCase() !== 'iso-8859-1') return null
  return encoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function percentDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** Servers send UTF-8 in headers though it reads as Latin-1; where the bytes are UTF-8, that is what was meant. */
function repairUtf8(text: string): string {
  if (!/[\x80-\xff]/.test(text) || /[^\0-\xff]/.test(text)) return text
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(text, (char) => char.charCodeAt(0)))
  } catch {
    return text
  }
}

function bareName(raw: string): string {
  const last = raw.toWellFormed().split(/[/\\]/).at(-1) ?? ''
  const clean = normalizeText(last, 'NFC')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .replace(/[<>:"|?*]/g, '_')
    // The lookbehind keeps a long run within the name from being tried at each of its characters.
    .replace(/^[\s.]+|(?<![\s.])[\s.]+$/g, '')
  const characters = Array.from(clean)
  if (characters.length <= MAX_NAME) return clean
  const extension = clean.match(/\.[A-Za-z0-9]{1,10}$/)?.[0] ?? ''
  return characters.slice(0, MAX_NAME - extension.length).join('') + extension
}
