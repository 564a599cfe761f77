/** ffmpeg decodes what is a recording, reads nothing else, and ends when it should. */
import { once } from 'node:events'
import { watch } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFfmpegDecoder } from '../../src/drivers/decode-ffmpeg.ts'
import { FFMPEG, ffmpeg, makeTone } from '../features/rag/speech/ffmpeg.ts'

const decoder = createFfmpegDecoder({ program: 'ffmpeg' })
const RATE = 16_000
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-ffmpeg-'))
})
afterAll(() => rm(folder, { recursive: true }))

const file = (name: string) => join(folder, name)

/** Decodes a file to its end. */
async function decode(path: string, fromSeconds = 0) {
  const audio = await decoder.decode(path, { fromSeconds, signal: new AbortController().signal })
  const parts: Uint8Array[] = []
  for await (const chunk of audio.pcm) parts.push(chunk)
  const bytes = Buffer.concat(parts)
  const samples = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  const { durationSeconds, language } = audio
  await audio.close()
  return { samples, durationSeconds, language }
}

const loudest = (samples: Int16Array) => samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

describe.skipIf(FFMPEG === null)('A recording', () => {
  it.each([
    ['mp3', []],
    ['m4a', []],
    ['ogg', ['-c:a', 'libopus']],
    ['flac', []],
    ['wav', []],
    ['webm', ['-c:a', 'libopus']],
    ['mkv', ['-c:a', 'flac']],
    ['aac', []],
    ['avi', ['-c:a', 'mp3']],
  ])('is decoded from %s, at its times', async (extension, output) => {
    const path = file(`tone.${extension}`)
    await makeTone(path, 12, ...output)
    const { samples } = await decode(path)
    expect(samples.length / RATE).toBeGreaterThan(11.8)
    expect(samples.length / RATE).toBeLessThan(12.3)
    // It sounds to the fifth second, and from the tenth.
    expect(loudest(samples.subarray(RATE, 4 * RATE))).toBeGreaterThan(8_000)
    expect(loudest(samples.subarray(6 * RATE, 9 * RATE))).toBeLessThan(400)
    const later = await decode(path, 7.5)
    expect(loudest(later.samples.subarray(0, 2 * RATE))).toBeLessThan(400)
    expect(loudest(later.samples.subarray(3 * RATE, 4 * RATE))).toBeGreaterThan(8_000)
  })

  it('says how long it is, and in which language where it does', async () => {
    const path = file('german.mp4')
    await makeTone(path, 3, '-metadata:s:a', 'language=ger')
    expect(await decode(path)).toMatchObject({ durationSeconds: expect.closeTo(3, 0), language: 'ger' })
    const plain = file('plain.mp3')
    await makeTone(plain, 3)
    expect(await decode(plain)).toMatchObject({ language: null })
  })

  it('has nothing after its end', async () => {
    const path = file('short.wav')
    await makeTone(path, 1)
    expect((await decode(path, 5)).samples).toHaveLength(0)
  })

  it('that ends in the middle is decoded up to there', async () => {
    const whole = file('whole.mp3')
    await makeTone(whole, 12)
    const bytes = await readFile(whole)
    await writeFile(file('half.mp3'), bytes.subarray(0, bytes.length / 2))
    const { samples } = await decode(file('half.mp3'))
    expect(samples.length / RATE).toBeGreaterThan(5)
    expect(samples.length / RATE).toBeLessThan(7)
  })

  it('without sound is refused in words', async () => {
    const path = file('silent-film.mp4')
    await ffmpeg('-f', 'lavfi', '-i', 'color=black:s=64x64:d=1', '-an', path)
    await expect(decode(path)).rejects.toMatchObject({ code: 'NO_TEXT', message: expect.stringMatching(/no sound/) })
  })

  it('is decoded no further once it is closed', async () => {
    const path = file('long.wav')
    await makeTone(path, 600)
    const audio = await decoder.decode(path, { fromSeconds: 0, signal: new AbortController().signal })
    for await (const chunk of audio.pcm) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    await audio.close()
  })
})

describe.skipIf(FFMPEG === null)('A playlist dressed as a recording', () => {
  let origin: string
  let server: ReturnType<typeof createServer>
  const asked: string[] = []
  beforeAll(async () => {
    await makeTone(file('secret.wav'), 2)
    server = createServer((request, response) => {
      asked.push(request.url ?? '')
      response.end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  })
  afterAll(() => {
    server.close()
  })

  /** An empty ID3 tag, which ffmpeg skips, and by which the server takes a file for MP3. */
  const id3 = 'ID3\x03\0\0\0\0\0\0'
  const hls = (address: string) => `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${address}\n#EXT-X-ENDLIST\n`
  const dash = (address: string) =>
    `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="a" bandwidth="64000"><BaseURL>${address}</BaseURL></Representation></AdaptationSet></Period></MPD>`

  it.each([
    ['HLS of a file', 'a.mp4', () => hls(`file://${file('secret.wav')}`)],
    ['HLS of an address', 'b.mp4', () => hls(`${origin}/hls.ts`)],
    ['HLS behind a tag of MP3', 'c.mp3', () => id3 + hls(`file://${file('secret.wav')}`)],
    ['a list to concatenate', 'd.mp4', () => `ffconcat version 1.0\nfile '${file('secret.wav')}'\n`],
    ['a list behind a tag of MP3', 'e.mp3', () => `${id3}ffconcat version 1.0\nfile '${file('secret.wav')}'\n`],
    ['DASH of a file', 'f.mp4', () => dash(`file://${file('secret.wav')}`)],
    ['DASH of an address', 'g.mp4', () => dash(`${origin}/dash.mp4`)],
    ['SDP', 'h.mp4', () => 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n'],
  ])('(%s) is refused, and names nothing that is read', async (_, name, content) => {
    await writeFile(file(name), content(), 'latin1')
    await expect(decode(file(name))).rejects.toMatchObject({ code: 'UNREADABLE_DOCUMENT' })
    expect(asked).toEqual([])
  })
})

/** Makes a program that stands in place of ffmpeg, starts another, and says the ids of both. */
async function makeHanging(
  name: string,
): Promise<{ readonly program: string; readonly pids: () => Promise<number[]> }> {
  const program = file(name)
  const said = file(`${name}.pids`)
  await writeFile(said, '')
  await writeFile(program, `#!/bin/sh\nsleep 1000 &\necho "$$ $!" > ${said}\nwait\n`)
  await chmod(program, 0o755)
  const pids = async () => {
    for await (const _ of wake(said)) {
      const text = await readFile(said, 'utf8')
      if (text.endsWith('\n')) return text.trim().split(' ').map(Number)
    }
    return []
  }
  return { program, pids }
}

/** Yields at once, and at each change of a file. */
async function* wake(path: string): AsyncGenerator<void> {
  const watcher = watch(path)
  try {
    let changed = once(watcher, 'change')
    for (;;) {
      yield
      await changed
      changed = once(watcher, 'change')
    }
  } finally {
    watcher.close()
  }
}

/** Returns true for a process that runs; one that has ended and was not waited for does not. */
async function runs(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !/^\d+ \(.*\) Z/s.test(stat)
}

describe.skipIf(process.platform !== 'linux')('The process', () => {
  it.each(['close', 'abort'])('is ended with all that it started: %s', async (how) => {
    const { program, pids } = await makeHanging(`hanging-${how}`)
    const stop = new AbortController()
    const audio = await createFfmpegDecoder({ program }).decode(file('any.mp3'), {
      fromSeconds: 0,
      signal: stop.signal,
    })
    const reading = audio.pcm[Symbol.asyncIterator]().next()
    const outcome = expect(reading)[how === 'abort' ? 'rejects' : 'resolves']
    const started = await pids()
    expect(await Promise.all(started.map(runs))).toEqual([true, true])
    if (how === 'abort') stop.abort(new Error('Cancelled.'))
    else await audio.close()
    await (how === 'abort' ? outcome.toThrow('Cancelled.') : outcome.toMatchObject({ done: true }))
    await audio.close()
    expect(await Promise.all(started.map(runs))).toEqual([false, false])
  })

  it('that is missing is named, with the way out', async () => {
    const missing = createFfmpegDecoder({ program: file('nowhere') })
    expect(await missing.isAvailable()).toBe(false)
    const decoding = missing.decode(file('any.mp3'), { fromSeconds: 0, signal: new AbortController().signal })
    await expect(decoding).rejects.toMatchObject({ message: expect.stringMatching(/installs ffmpeg.*FFMPEG_PATH/) })
    await expect(decoding).rejects.toHaveProperty('transient', false)
  })
})
