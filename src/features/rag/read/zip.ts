/** Opens the ZIP containers of office documents within limits, against ZIP bombs. */
import { strFromU8, unzipSync } from 'fflate'
import { MillraceError } from '../../../errors.ts'

/** Most entries of a container: a book of 2,000 chapters with pictures has fewer. */
const MAX_ENTRIES = 10_000
/** Most unpacked bytes of the entries that are read from one container. */
const MAX_UNPACKED_BYTES = 100 * 1024 * 1024

/** Entries of a container by their paths. */
export type ZipEntries = Readonly<Record<string, Uint8Array>>

/**
 * Unpacks the wanted entries. fflate allocates a buffer of the declared size and writes no more, so false sizes are harmless.
 * @param isWanted returns true for the path of an entry to unpack
 * @throws MillraceError UNREADABLE_DOCUMENT when the container is damaged or encrypted, TOO_LARGE beyond 10,000 entries or 100 MB
 */
export function unzip(bytes: Uint8Array, isWanted: (path: string) => boolean): ZipEntries {
  let entries = 0
  let unpacked = 0
  try {
    return unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        entries++
        if (entries > MAX_ENTRIES) throw tooLarge(`more than ${MAX_ENTRIES} files`)
        if (!isWanted(name)) return false
        unpacked += originalSize
        if (unpacked > MAX_UNPACKED_BYTES) throw tooLarge(`more than ${MAX_UNPACKED_BYTES / 1024 / 1024} MB of text`)
        return true
      },
    })
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw new MillraceError(
      'UNREADABLE_DOCUMENT',
      'This file is damaged or encrypted and could not be unpacked. Try downloading it again, or save it without a password.',
      { cause },
    )
  }
}

/** Lists the paths of all entries without unpacking them. */
export function listZip(bytes: Uint8Array): string[] {
  const paths: string[] = []
  unzip(bytes, (path) => {
    paths.push(path)
    return false
  })
  return paths
}

/**
 * Decodes the text of an entry, which is UTF-8 in these formats.
 * @returns undefined where there is no such entry
 */
export function entryText(entries: ZipEntries, path: string): string | undefined {
  const bytes = entries[path]
  return bytes && strFromU8(bytes)
}

/** Resolves the relative path of an entry: `../media/a.xml` in `ppt/slides/b.xml` is `ppt/media/a.xml`. */
export function resolveEntry(base: string, relative: string): string {
  return decodePath(new URL(relative, `zip:///${base}`).pathname).slice(1)
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

function tooLarge(what: string): MillraceError {
  return new MillraceError('TOO_LARGE', `This file unpacks to ${what}, which is more than can be read.`)
}
