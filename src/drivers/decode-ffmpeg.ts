/**
 * Decodes recordings by ffmpeg, a process each. Recordings are untrusted, and a playlist is a recording to ffmpeg: it would read other files of
 * this machine, and addresses, that the playlist names. Hence only formats that hold their own sound are allowed, and only the file itself
 * (https://ffmpeg.org/ffmpeg-protocols.html, `protocol_whitelist`; https://ffmpeg.org/ffmpeg-formats.html, `format_whitelist`).
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { MillraceError } from '../errors.ts'
import type { DecodedAudio, MediaDecoder } from '../speech-ports.ts'

/** Demuxers of the formats that `features/rag/read/document-type.ts` takes for recordings. */
const FORMATS = 'mp3,aac,ogg,flac,matroska,wav,avi,mov'
/** Address space of a process, in kilobytes; and its CPU time, in seconds: 12 hours of MP3 take some 90. */
const MAX_MEMORY_KB = 2 * 1024 * 1024
const MAX_CPU_SECONDS = 600
/** Seconds of sound that a process decodes at most. */
const MAX_SECONDS = 12 * 60 * 60
/** Time without a sample after which a process is taken for stuck, in milliseconds. */
const MAX_STALL_MS = 60_000
/** Characters of its messages that are kept, from their beginning and from their end. */
const MAX_MESSAGES = 16_384

/** Sets the limits, then becomes ffmpeg. A system without one of the limits (macOS has none of memory) does without it. */
const LIMITED = `ulimit -v ${MAX_MEMORY_KB} 2>/dev/null; ulimit -t ${MAX_CPU_SECONDS} 2>/dev/null; ulimit -c 0 2>/dev/null; exec "$@"`

/** Makes the decoder. @param options `program`: path of ffmpeg, or its name in `PATH`. It is looked up at each use, so that it may be installed later */
export function createFfmpegDecoder({ program }: { readonly program: string }): MediaDecoder {
  return {
    isAvailable: async () => (await locate(program)) !== null,
    async decode(path, { fromSeconds, signal }) {
      const found = await locate(program)
      if (found === null) {
        throw new MillraceError(
          'SERVICE_UNAVAILABLE',
          `There is no program "${program}" on this server, which decodes recordings. Its operator installs ffmpeg, or names it by FFMPEG_PATH.`,
          { transient: false },
        )
      }
      signal.throwIfAborted()
      return new Decoding(spawnFfmpeg(found, path, fromSeconds), signal)
    },
  }
}

/** Finds the path of a program; null where there is none that may be run, and where processes can't be limited (Windows). */
async function locate(program: string): Promise<string | null> {
  if (process.platform === 'win32') return null
  const folders = program.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter).filter((one) => one !== '')
  for (const folder of folders) {
    const path = folder === '' ? resolve(program) : join(folder, program)
    try {
      await access(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder.
    }
  }
  return null
}

type Ffmpeg = ChildProcessByStdio<null, Readable, Readable>

function spawnFfmpeg(program: string, path: string, fromSeconds: number): Ffmpeg {
  const input = ['-nostdin', '-hide_banner', '-nostats', '-loglevel', 'info', '-threads', '1']
  const guards = ['-protocol_whitelist', 'file', '-format_whitelist', FORMATS]
  const seek = fromSeconds > 0 ? ['-ss', fromSeconds.toFixed(6)] : []
  const selected = ['-map', '0:a:0', '-vn', '-sn', '-dn', '-t', String(MAX_SECONDS)]
  // Gaps in its timestamps become silence, so that a sample's place is its time.
  const format = ['-af', 'aresample=16000:async=1:first_pts=0', '-ac', '1', '-ar', '16000', '-f', 's16le', 'pipe:1']
  const args = [...input, ...guards, ...seek, '-i', `file:${path}`, ...selected, ...format]
  return spawn('/bin/sh', ['-c', LIMITED, 'sh', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // No secret of the server's gets in.
    env: { LC_ALL: 'C' },
    cwd: '/',
    // Its process group is killed as a whole.
    detached: true,
  })
}

class Decoding implements DecodedAudio {
  readonly pcm: AsyncIterable<Uint8Array>
  readonly #child: Ffmpeg
  readonly #signal: AbortSignal
  readonly #ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  readonly #abort = () => this.#kill()
  #messages = ''
  #closed = false
  #stalled = false

  constructor(child: Ffmpeg, signal: AbortSignal) {
    this.#child = child
    this.#signal = signal
    this.#ended = ended(child)
    // A process that could not be started is reported to those who read.
    this.#ended.catch(() => {})
    this.pcm = this.#read()
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      const all = this.#messages + text
      const half = MAX_MESSAGES / 2
      this.#messages = all.length <= MAX_MESSAGES ? all : all.slice(0, half) + all.slice(-half)
    })
    signal.addEventListener('abort', this.#abort, { once: true })
  }

  get durationSeconds(): number | null {
    const [, hours, minutes, seconds] = /^ {2}Duration: (\d+):(\d\d):(\d\d\.\d+)/m.exec(this.#messages) ?? []
    return seconds === undefined ? null : Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)
  }

  get language(): string | null {
    const tag = /^ {2}Stream #0:\d+(?:\[\w+\])?\(([a-z]{2,3})\): Audio:/m.exec(this.#messages)?.[1]
    return tag === undefined || tag === 'und' ? null : tag
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#kill()
    await this.#ended.catch(() => {})
    this.#signal.removeEventListener('abort', this.#abort)
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    let any = false
    try {
      for await (const chunk of this.#chunks()) {
        any = true
        yield chunk
      }
    } catch (error) {
      if (!this.#signal.aborted && !this.#closed && !this.#stalled) throw unavailable(error)
    }
    const { code, signal } = await this.#ended.catch((error: unknown) => {
      throw unavailable(error)
    })
    this.#signal.throwIfAborted()
    if (this.#stalled) throw new MillraceError('TIMEOUT', 'Decoding this recording stood still for a minute.')
    if (this.#closed || code === 0) return
    // Of a file that ends in the middle, the sound up to there is taken.
    if (signal === null && any) return
    throw this.#fault(signal)
  }

  /** Passes the output on. Waiting for it is bounded; waiting for the reader is not. */
  async *#chunks(): AsyncGenerator<Uint8Array> {
    const stall = () => {
      this.#stalled = true
      this.#kill()
    }
    let timer = setTimeout(stall, MAX_STALL_MS)
    try {
      for await (const chunk of this.#child.stdout) {
        clearTimeout(timer)
        yield new Uint8Array(chunk)
        timer = setTimeout(stall, MAX_STALL_MS)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #fault(signal: NodeJS.Signals | null): MillraceError {
    const cause = new Error(`ffmpeg ended with ${signal ?? 'an error'}: ${this.#messages.slice(-500)}`)
    if (signal === 'SIGXCPU' || signal === 'SIGKILL') {
      return new MillraceError('TOO_LARGE', 'Decoding this recording takes too long.', { cause })
    }
    if (/Cannot allocate memory/i.test(this.#messages)) {
      return new MillraceError('TOO_LARGE', 'Decoding this recording takes too much memory.', { cause })
    }
    if (/matches no streams|does not contain any stream/.test(this.#messages)) {
      return new MillraceError('NO_TEXT', 'There is no sound in this recording.', { cause })
    }
    const issue = 'This recording is damaged or of an unknown kind and could not be decoded.'
    return new MillraceError('UNREADABLE_DOCUMENT', `${issue} Send it as MP3, M4A, Opus, FLAC or WAV.`, { cause })
  }

  #kill(): void {
    const { pid } = this.#child
    if (pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
    this.#child.stdout.destroy()
  }
}

/** Resolves when a process has ended. @throws where it could not be started */
async function ended(child: Ffmpeg) {
  await once(child, 'close')
  return { code: child.exitCode, signal: child.signalCode }
}

const unavailable = (cause: unknown) =>
  new MillraceError('SERVICE_UNAVAILABLE', 'No process could be started to decode this recording.', { cause })
