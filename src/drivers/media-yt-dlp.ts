/**
 * Lists and describes recordings by yt-dlp, a process each time. It writes nothing and reads no configuration; its requests go through a
 * guarded proxy, its environment is empty, and its time, memory and output are bounded.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { MillraceError } from '../errors.ts'
import { FairSemaphore } from '../fair-semaphore.ts'
import type { MediaLister } from '../media-ports.ts'
import { Guard } from './compute-processes-guard.ts'
import { checkUrl } from './fetch-address.ts'
import type { NodeFetcherOptions } from './fetch-connect.ts'
import { type GuardedProxy, openGuardedProxy } from './proxy-guarded.ts'

/** Options of the lister. */
export interface YtDlpOptions {
  /** Path of the program. */
  readonly path: string
  /** Rules for the addresses that it may reach. */
  readonly guard: NodeFetcherOptions
  /** Time for one run, in milliseconds. @default 60000 */
  readonly timeLimitMs?: number
}

const TIME_LIMIT_MS = 60_000
/** Bytes that one run may fetch, and that it may print: 5,000 entries of a list are some 5 MB. */
const MAX_FETCHED_BYTES = 64 * 1024 * 1024
const MAX_PRINTED_BYTES = 32 * 1024 * 1024
/** Kilobytes of address space: Python and yt-dlp take some 300,000. */
const MAX_MEMORY_KB = 2 * 1024 * 1024
/** Characters of its error output that are kept, the last ones. */
const MAX_ERROR_CHARACTERS = 8_192
/** Runs at once, over all owners and of one: each takes a second of CPU time or more. */
const RUNS = { slots: 3, perOwner: 2 }

/** The environment has no variables of the server, no user and no proxy. */
const ENVIRONMENT = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  LANG: 'C.UTF-8',
  PYTHONNOUSERSITE: '1',
  PYTHONDONTWRITEBYTECODE: '1',
}

const ARGUMENTS = [
  '--ignore-config',
  '--no-cache-dir',
  '--no-warnings',
  '--no-progress',
  '--flat-playlist',
  '--ignore-no-formats-error',
  ...['--socket-timeout', '15', '--retries', '1', '--extractor-retries', '1'],
  '--dump-single-json',
]

/** Sets the limit of memory, which programs keep that take the place of the shell. */
const LIMITED = `ulimit -v ${MAX_MEMORY_KB} && exec "$0" "$@"`

/**
 * Finds a program: a path, or a name in `PATH`.
 * @returns its path; null where there is none that may be run
 */
export function findProgram(name: string, path = process.env.PATH ?? ''): string | null {
  const places = name.includes('/') || isAbsolute(name) ? [name] : path.split(delimiter).map((dir) => join(dir, name))
  return places.find(isExecutable) ?? null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Makes the lister. */
export function createYtDlp({ path, guard, timeLimitMs = TIME_LIMIT_MS }: YtDlpOptions): MediaLister {
  const slots = new FairSemaphore(RUNS, cancellation)
  return {
    async describe(url, { range, signal, owner }) {
      const target = withoutSmuggled(checkUrl(url, guard))
      const leave = await slots.acquire(owner, signal)
      try {
        return await run(path, { guard, url: target, range, signal, timeLimitMs })
      } finally {
        leave()
      }
    },
  }
}

/** Removes a fragment by which yt-dlp hands options to itself. */
function withoutSmuggled(url: URL): string {
  if (url.hash.includes('__youtubedl_smuggle')) url.hash = ''
  return url.href
}

interface Run {
  readonly guard: NodeFetcherOptions
  readonly url: string
  readonly range: { readonly first: number; readonly last: number } | undefined
  readonly signal: AbortSignal | undefined
  readonly timeLimitMs: number
}

async function run(path: string, { guard, url, range, signal, timeLimitMs }: Run): Promise<unknown> {
  const limit = AbortSignal.timeout(timeLimitMs)
  const ended = signal === undefined ? limit : AbortSignal.any([signal, limit])
  const proxy = await openGuardedProxy({ ...guard, maxBytes: MAX_FETCHED_BYTES })
  try {
    const items = range === undefined ? ['--no-playlist'] : ['--yes-playlist', '-I', `${range.first}:${range.last}`]
    const printed = await print(path, [...ARGUMENTS, ...items, '--proxy', proxy.url, '--', url], ended)
    return parsed(printed, proxy)
  } catch (error) {
    if (signal?.aborted) throw cancellation(signal)
    if (limit.aborted) {
      const seconds = Math.round(timeLimitMs / 1_000)
      throw new MillraceError('TIMEOUT', `The page was not listed within ${seconds} seconds. Try again later.`)
    }
    throw error
  } finally {
    proxy.close()
  }
}

interface Printed {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

/**
 * Runs the program to its end, in a process group of its own, which is killed as soon as `ended` aborts, and when this process ends.
 * @throws MillraceError TOO_LARGE, SERVICE_UNAVAILABLE where it cannot be started; the reason of `ended`
 */
async function print(path: string, args: readonly string[], ended: AbortSignal): Promise<Printed> {
  ended.throwIfAborted()
  const child = spawn('/bin/sh', ['-c', LIMITED, path, ...args], {
    cwd: '/',
    env: ENVIRONMENT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const killer = new Guard()
  const kill = () => killGroup(child)
  if (child.pid !== undefined) killer.watch([-child.pid])
  ended.addEventListener('abort', kill, { once: true })
  try {
    const chunks: Uint8Array[] = []
    let size = 0
    let errors = ''
    child.stdout.on('data', (chunk: Uint8Array) => {
      size += chunk.byteLength
      if (size > MAX_PRINTED_BYTES) kill()
      else chunks.push(chunk)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-MAX_ERROR_CHARACTERS)
    })
    const code = await new Promise<number | null>((closed, failed) => {
      child.once('error', (cause) => failed(new MillraceError('SERVICE_UNAVAILABLE', NOT_STARTED, { cause })))
      child.once('close', closed)
    })
    ended.throwIfAborted()
    if (size > MAX_PRINTED_BYTES) throw new MillraceError('TOO_LARGE', 'This page lists more than can be read.')
    return { code, output: Buffer.concat(chunks).toString(), errors }
  } finally {
    ended.removeEventListener('abort', kill)
    kill()
    killer.end()
  }
}

const NOT_STARTED = 'yt-dlp could not be started on this server (YT_DLP_PATH).'

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // The group has ended.
  }
}

/** @throws MillraceError for a run that failed, by what it says */
function parsed({ code, output, errors }: Printed, proxy: GuardedProxy): unknown {
  const found = code === 0 ? parseJson(output) : null
  if (found !== null && found !== undefined) return found
  if (proxy.refused !== null) throw proxy.refused
  throw explain(errors)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Errors by what yt-dlp says; the first that matches. */
const SAID: readonly (readonly [RegExp, ConstructorParameters<typeof MillraceError>[0]])[] = [
  [/HTTP Error 429|too many requests|rate.?limit/i, 'RATE_LIMIT'],
  [/HTTP Error 5\d\d|timed out|connection|temporary failure|name or service/i, 'SERVICE_UNAVAILABLE'],
  [/HTTP Error (?:404|410)|does not exist|not available|unavailable|removed|private video|deleted/i, 'NOT_FOUND'],
  [/Unsupported URL|no video|not a valid URL/i, 'UNSUPPORTED_MEDIA_TYPE'],
]

/** Converts what it printed into an error: its last line that begins with `ERROR:`, without addresses of this machine. */
function explain(errors: string): MillraceError {
  const line = errors.split('\n').findLast((text) => text.startsWith('ERROR:')) ?? ''
  const said = line
    .replace(/^ERROR:\s*/, '')
    .replace(/;? ?please report this issue.*$/i, '')
    .replace(/\s*\(caused by.*$/, '')
    .slice(0, 300)
    .trim()
  const code = SAID.find(([pattern]) => pattern.test(said))?.[1] ?? 'UNREADABLE_DOCUMENT'
  if (said === '') return new MillraceError('SERVICE_UNAVAILABLE', 'yt-dlp ended without an answer. Try again later.')
  return new MillraceError(code, `yt-dlp found no recording here: ${said}`)
}

function cancellation(signal: AbortSignal | undefined): MillraceError {
  if (signal?.reason instanceof MillraceError) return signal.reason
  return new MillraceError('CANCELLED', 'The listing was called off.', { cause: signal?.reason })
}
