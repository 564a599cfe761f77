import { describe, expect, it } from 'vitest'
import { streamOf, transcode, withoutByteOrderMark } from '../../src/formats/streams.ts'

describe('a stream of a generator', () => {
  /** Counts to three; what happens to it goes into `log`. */
  async function* count(log: string[]) {
    try {
      for (const n of [1, 2, 3]) {
        log.push(`made ${n}`)
        yield n
      }
    } finally {
      log.push('ended')
    }
  }

  it('gives what the generator yields, and ends with it', async () => {
    const seen: number[] = []
    for await (const n of streamOf(count([]))) seen.push(n)
    expect(seen).toEqual([1, 2, 3])
  })

  it('asks for nothing that is not read, and ends the generator when it is cancelled', async () => {
    const log: string[] = []
    const reader = streamOf(count(log)).getReader()
    await new Promise((resolve) => setTimeout(resolve, 0))
    expect(log).toEqual([])
    expect(await reader.read()).toEqual({ done: false, value: 1 })
    await reader.cancel()
    expect(log).toEqual(['made 1', 'ended'])
  })

  it('fails with what the generator throws', async () => {
    const fault = new RangeError('out of numbers')
    async function* failing() {
      yield 1
      throw fault
    }
    const reader = streamOf(failing()).getReader()
    await reader.read()
    await expect(reader.read()).rejects.toBe(fault)
  })
})

describe('a byte order mark', () => {
  const MARK = [0xef, 0xbb, 0xbf]

  it.each([
    ['is taken away', [...MARK, 65, 66], [65, 66]],
    ['is taken away once', [...MARK, ...MARK], MARK],
    ['is not looked for later', [65, ...MARK], [65, ...MARK]],
    ['alone leaves nothing', MARK, []],
    ['of which a part is there is none', [0xef, 0xbb, 65], [0xef, 0xbb, 65]],
    ['that is cut off is none', [0xef, 0xbb], [0xef, 0xbb]],
  ])('%s, however the bytes are cut', async (_, bytes, expected) => {
    async function* cut(size: number) {
      for (let at = 0; at < bytes.length; at += size) yield Uint8Array.from(bytes.slice(at, at + size))
    }
    for (const size of [1, 2, 3, 4, 9]) {
      const found: number[] = []
      for await (const chunk of withoutByteOrderMark(cut(size))) found.push(...chunk)
      expect(found).toEqual(expected)
    }
  })
})

describe('packing and unpacking', () => {
  const MB = 1024 * 1024
  async function* zeros(megabytes: number) {
    for (let at = 0; at < megabytes; at++) yield new Uint8Array(MB)
  }
  async function packed(megabytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array<ArrayBuffer>[] = []
    for await (const part of transcode(zeros(megabytes), new CompressionStream('gzip'))) parts.push(part)
    return new Uint8Array(await new Blob(parts).arrayBuffer())
  }
  /** Cuts bytes into pieces; tells `onPiece` of each. */
  async function* pieces(bytes: Uint8Array<ArrayBuffer>, onPiece: () => void) {
    for (let at = 0; at < bytes.byteLength; at += 1_024) {
      onPiece()
      yield bytes.slice(at, at + 1_024)
    }
  }

  it('gives back what was packed', async () => {
    let size = 0
    for await (const chunk of transcode(
      pieces(await packed(5), () => {}),
      new DecompressionStream('gzip'),
    )) {
      expect(chunk.every((byte) => byte === 0)).toBe(true)
      size += chunk.byteLength
    }
    expect(size).toBe(5 * MB)
  })

  it('unpacks little more than is read, because a little may become a lot', async () => {
    const bytes = await packed(128)
    let taken = 0
    const unpacked = transcode(
      pieces(bytes, () => taken++),
      new DecompressionStream('gzip'),
    )
    let size = 0
    for await (const chunk of unpacked) {
      size += chunk.byteLength
      if (size > MB) break
    }
    // A piece is a megabyte, once unpacked; Node keeps 64 KB of them packed.
    expect(bytes.byteLength).toBeGreaterThan(120 * 1_024)
    expect(taken).toBeLessThanOrEqual(90)
  })

  it('fails with what the source throws, and with a TypeError for what is no gzip', async () => {
    const fault = new RangeError('gone')
    async function* failing() {
      yield (await packed(1)).slice(0, 100)
      throw fault
    }
    const read = async (chunks: AsyncIterable<Uint8Array<ArrayBuffer>>) => {
      for await (const _ of transcode(chunks, new DecompressionStream('gzip')));
    }
    await expect(read(failing())).rejects.toBe(fault)
    await expect(read(zeros(1))).rejects.toThrow(TypeError)
  })
})
