/**
 * Looks up names that callers chose. Not by getaddrinfo, as `dns.lookup` does: that runs in the few threads that files are read in too, can't be
 * cancelled, and waits as long as the system's resolver likes, so that a handful of names whose servers never answer stop all downloads.
 * Here each look-up has a c-ares channel of its own (`dns.Resolver`), which costs one socket, a time limit, and can be cancelled.
 */
import type { LookupAddress } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'

/** Finds all addresses of a name. Fails with an error whose `code` is ENOTFOUND, ENODATA or EAI_AGAIN. */
export type Lookup = (hostname: string, options: { all: true; signal?: AbortSignal }) => Promise<LookupAddress[]>

/** Options of name lookups. */
export interface LookupOptions {
  /** Addresses of DNS servers, with a port where it is not 53 (`127.0.0.1:5353`, `[::1]:5353`). @default those of the system */
  readonly servers?: readonly string[]
  /** Longest time for one name, in milliseconds. @default 5000 */
  readonly timeoutMs?: number
  /** File of names that are resolved without a server. @default the system's */
  readonly hostsFile?: string
}

const MAX_LOOKUP_MS = 5_000
/** Time for a server's first answer; each further try has twice as much. */
const TRY_MS = 1_000
const MAX_TRIES = 3
/** Time for addresses of the other family once there are some of one (the "resolution delay" of RFC 8305, longer). */
const OTHER_FAMILY_MS = 500
const HOSTS_FILE =
  process.platform === 'win32'
    ? join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', 'drivers', 'etc', 'hosts')
    : '/etc/hosts'
/** RFC 6761, section 6.3: `localhost` and all names below it, where the hosts file says nothing else. */
const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

/** Makes a Lookup by the hosts file and DNS. Names are taken as they are: no search list is appended. */
export function createLookup(options: LookupOptions = {}): Lookup {
  const { servers = [], timeoutMs = MAX_LOOKUP_MS, hostsFile = HOSTS_FILE } = options
  const hosts = new HostsFile(hostsFile)
  return async (hostname, { signal }) => {
    const name = hostname.toLowerCase().replace(/\.$/, '')
    const listed = await hosts.find(name)
    if (listed.length > 0) return [...listed]
    if (name === 'localhost' || name.endsWith('.localhost')) return [...LOOPBACK]
    signal?.throwIfAborted()
    return askServers(name, servers, timeoutMs, signal)
  }
}

async function askServers(
  name: string,
  servers: readonly string[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<LookupAddress[]> {
  const resolver = new Resolver({ timeout: TRY_MS, tries: MAX_TRIES })
  if (servers.length > 0) resolver.setServers(servers)
  const cancel = () => resolver.cancel()
  const timers = [setTimeout(cancel, timeoutMs)]
  signal?.addEventListener('abort', cancel, { once: true })
  const ask = async (family: 4 | 6) => {
    try {
      const found = family === 4 ? await resolver.resolve4(name) : await resolver.resolve6(name)
      timers.push(setTimeout(cancel, OTHER_FAMILY_MS))
      return found.map((address) => ({ address, family }))
    } catch (error) {
      if (codeOf(error) === 'ENOTFOUND') timers.push(setTimeout(cancel, OTHER_FAMILY_MS))
      throw error
    }
  }
  try {
    // Both are waited for: an address that is not allowed refuses the name in whichever family it is.
    const answers = await Promise.allSettled([ask(4), ask(6)])
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (found.length > 0) return found
    throw failureOf(answers.map((answer) => (answer.status === 'rejected' ? answer.reason : null)))
  } finally {
    for (const timer of timers) clearTimeout(timer)
    signal?.removeEventListener('abort', cancel)
  }
}

/**
 * Merges the failures of all queries for a name. One server that says the name is unknown decides; a name without an address is one without
 * an address of either family.
 */
function failureOf(errors: readonly unknown[]): Error {
  const codes = errors.map(codeOf)
  const code = codes.some((one) => one === 'ENOTFOUND' || one === 'EBADNAME')
    ? 'ENOTFOUND'
    : codes.every((one) => one === 'ENODATA' || one === '')
      ? 'ENODATA'
      : 'EAI_AGAIN'
  const cause = errors.find((error) => codeOf(error) === code) ?? errors.find((error) => error !== null)
  return Object.assign(new Error(`The name could not be looked up: ${code}`, { cause }), { code })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** The system's hosts file, reread when it changes. */
class HostsFile {
  readonly #path: string
  #version = ''
  #names: ReadonlyMap<string, readonly LookupAddress[]> = new Map()

  constructor(path: string) {
    this.#path = path
  }

  /** @returns the addresses listed for a name; none where it is not listed or there is no file */
  async find(name: string): Promise<readonly LookupAddress[]> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#path)
      const version = `${mtimeMs} ${size} ${ino}`
      if (version !== this.#version) {
        this.#names = parseHosts(await readFile(this.#path, 'utf8'))
        this.#version = version
      }
    } catch {
      return []
    }
    return this.#names.get(name) ?? []
  }
}

/** Reads lines of an address and names, `#` beginning a comment; see hosts(5). */
function parseHosts(text: string): ReadonlyMap<string, readonly LookupAddress[]> {
  const found = new Map<string, LookupAddress[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const family = isIP(address)
    if (family === 0) continue
    for (const name of names) {
      const key = name.toLowerCase()
      const listed = found.get(key)
      if (listed === undefined) found.set(key, [{ address, family }])
      else listed.push({ address, family })
    }
  }
  return found
}
