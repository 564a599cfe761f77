import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type ServerType, serve } from '@hono/node-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MillraceError } from '../../src/errors.ts'
import { type MultipartFile, readMultipart } from '../../src/http/request/multipart.ts'
import { scaled } from '../support/time-limits.ts'
import { bytesOf, errorOf, fileForm, LIMITS, MB, part, requestOf, seenIn } from './multipart-forms.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** Bytes that something still holds. */
function liveBytes(): number {
  // Buffers found unused in one collection are counted as freed by the next.
  collectGarbage()
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

describe('handlers', () => {
  const two = `${part('form-data; name="a"; filename="1"', 'x'.repeat(200_000))}${part('form-data; name="b"', 'y')}--XX--`

  it('are called one after another', async () => {
    const log: string[] = []
    const wait = (ms: number) => new Promise((resume) => setTimeout(resume, ms))
    const body = `${part('form-data; name="a"; filename="1"', 'x')}${part('form-data; name="b"', 'y')}${part('form-data; name="c"; filename="2"', 'z')}--XX--`
    await readMultipart(requestOf(body), LIMITS, {
      onField: async (name) => {
        log.push(`${name} begins`)
        await wait(20)
        log.push(`${name} ends`)
      },
      onFile: async ({ name, body }) => {
        log.push(`${name} begins`)
        await new Response(body).text()
        await wait(20)
        log.push(`${name} ends`)
      },
    })
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  })

  it.each<[string, (file: MultipartFile) => Promise<void>]>([
    ['does not look at the body', async () => {}],
    ['cancels the body', async ({ body }) => body.cancel()],
    ['reads the first bytes only', async ({ body }) => void (await body.getReader().read())],
    [
      'reads and cancels',
      async ({ body }) => {
        for await (const _ of body) break
      },
    ],
  ])('may skip a file: one that %s', async (_, onFile) => {
    const fields: string[] = []
    await readMultipart(requestOf(two), LIMITS, { onField: (name) => void fields.push(name), onFile })
    expect(fields).toEqual(['b'])
  })

  it('cannot read a body later than they promised', async () => {
    let late: ReadableStream<Uint8Array> | undefined
    await readMultipart(requestOf(two), LIMITS, {
      onField: () => {},
      onFile: async ({ body }) => {
        late = body
      },
    })
    await expect(new Response(late).text()).rejects.toThrow()
  })

  it('end the reading by throwing, even while the request stands still', async () => {
    let cancelled: unknown
    const request = requestOf(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        start: (controller) => controller.enqueue(bytesOf(two.slice(0, 1000))),
        cancel: (reason) => {
          cancelled = reason
        },
      }),
    )
    const fault = new Error('disk full')
    const reading = readMultipart(request, LIMITS, {
      onField: () => {},
      onFile: async ({ body }) => {
        await body.getReader().read()
        await new Promise((resume) => setTimeout(resume, 20))
        throw fault
      },
    })
    await expect(reading).rejects.toBe(fault)
    expect(cancelled).toBe(fault)
  })

  it('of fields end the reading by throwing, too', async () => {
    const fault = new MillraceError('MISSING_SWIMMER', 'no')
    const reading = readMultipart(requestOf(two), LIMITS, {
      onField: () => {
        throw fault
      },
      onFile: async () => {},
    })
    await expect(reading).rejects.toBe(fault)
  })

  it('own the chunks they get, and may move them away', async () => {
    let size = 0
    const content = 'x'.repeat(100_000)
    await readMultipart(requestOf([bytesOf(fileForm(content))]), LIMITS, {
      onField: () => {},
      onFile: async ({ body }) => {
        for await (const chunk of body) {
          size += chunk.byteLength
          structuredClone(chunk.buffer, { transfer: [chunk.buffer] })
        }
      },
    })
    expect(size).toBe(content.length)
  })

  it('learn that the sender is gone', async () => {
    let bodyError: unknown
    const gone = new Error('connection reset')
    let pulls = 0
    const request = requestOf(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull: (controller) => {
          if (pulls++ === 0) controller.enqueue(bytesOf(two.slice(0, 1000)))
          else controller.error(gone)
        },
      }),
    )
    const error = await errorOf(
      readMultipart(request, LIMITS, {
        onField: () => {},
        onFile: async ({ body }) => {
          await new Response(body).text().catch((thrown: unknown) => {
            bodyError = thrown
          })
        },
      }),
    )
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', cause: gone })
    expect(bodyError).toBe(error)
  })
})

describe('large parts', () => {
  function* largeForm(bytes: number, count: { sent: number }) {
    yield bytesOf('--XX\r\nContent-Disposition: form-data; name="f"; filename="large"\r\n\r\n')
    for (let sent = 0; sent < bytes; sent += 64 * 1024) {
      count.sent += 64 * 1024
      yield new Uint8Array(64 * 1024).fill(count.sent >> 16)
    }
    yield bytesOf('\r\n--XX--\r\n')
  }
  const limits = { ...LIMITS, maxFileBytes: 512 * MB }

  it('are asked for only as they are read', async () => {
    const count = { sent: 0 }
    let taken = 0
    let ahead = 0
    await readMultipart(requestOf(largeForm(60 * MB, count)), limits, {
      onField: () => {},
      onFile: async ({ body }) => {
        for await (const chunk of body) {
          taken += chunk.byteLength
          ahead = Math.max(ahead, count.sent - taken)
          if (taken % (8 * MB) === 0) await new Promise((resume) => setTimeout(resume, 5))
        }
      },
    })
    expect(taken).toBe(60 * MB)
    expect(ahead).toBeLessThan(512 * 1024)
  })

  it('stay out of memory', async () => {
    const before = liveBytes()
    let taken = 0
    let peak = 0
    await readMultipart(requestOf(largeForm(200 * MB, { sent: 0 })), limits, {
      onField: () => {},
      onFile: async ({ body }) => {
        for await (const chunk of body) {
          taken += chunk.byteLength
          if (taken % (8 * MB) < chunk.byteLength) peak = Math.max(peak, liveBytes() - before)
        }
      },
    })
    expect(taken).toBe(200 * MB)
    expect(peak).toBeLessThan(4 * MB)
  })

  it('are not read on once they are too large', async () => {
    const count = { sent: 0 }
    const error = await errorOf(seenIn(requestOf(largeForm(60 * MB, count)), { ...limits, maxFileBytes: MB }))
    expect(error.code).toBe('TOO_LARGE')
    expect(count.sent).toBeLessThan(2 * MB)
  })
})

describe('over real HTTP', () => {
  const run = promisify(execFile)
  let server: ServerType
  let port = 0
  let folder = ''
  const outcomes: string[] = []
  let asked = 0

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-multipart-'))
    await writeFile(join(folder, 'large.bin'), new Uint8Array(60 * MB).fill(7))
    await writeFile(join(folder, 'a "b" ž.pdf'), '%PDF-1.7')
    await new Promise<void>((listening) => {
      server = serve({ port: 0, fetch: answer }, (info) => {
        port = info.port
        listening()
      })
    })
  })
  afterAll(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })

  async function answer(request: Request): Promise<Response> {
    asked++
    const parts: unknown[] = []
    const limits = { ...LIMITS, maxFileBytes: new URL(request.url).pathname === '/small' ? MB : 100 * MB }
    try {
      await readMultipart(request, limits, {
        onField: (name, value) => void parts.push([name, value]),
        onFile: async ({ name, filename, body }) => {
          const hash = createHash('md5')
          for await (const chunk of body) hash.update(chunk)
          parts.push([name, filename, hash.digest('hex')])
        },
      })
      outcomes.push('OK')
      return Response.json(parts)
    } catch (error) {
      outcomes.push(error instanceof MillraceError ? error.code : String(error))
      if (error instanceof MillraceError) return Response.json(error.message, { status: error.status })
      throw error
    }
  }

  const curl = async (path: string, ...args: string[]) => {
    const { stdout } = await run('curl', ['-sS', '-w', '\n%{http_code}', ...args, `http://127.0.0.1:${port}${path}`])
    const [body = '', status] = stdout.split('\n')
    return { body: JSON.parse(body), status: Number(status) }
  }

  it('takes files and fields from curl', async () => {
    const large = createHash('md5')
      .update(new Uint8Array(60 * MB).fill(7))
      .digest('hex')
    const pdf = createHash('md5').update('%PDF-1.7').digest('hex')
    const name = join(folder, 'a "b" ž.pdf').replaceAll('"', '\\"')
    for (const how of [[], ['--form-escape']]) {
      const args = ['-F', 'swimmer=Zoë', '-F', `pdfs=@${join(folder, 'large.bin')}`, '-F', `pdfs=@"${name}"`]
      expect(await curl('/', ...how, ...args)).toEqual({
        status: 200,
        body: [
          ['swimmer', 'Zoë'],
          ['pdfs', 'large.bin', large],
          ['pdfs', 'a "b" ž.pdf', pdf],
        ],
      })
    }
  })

  it('answers curl while it still sends what is too large', async () => {
    const args = ['-F', `pdfs=@${join(folder, 'large.bin')}`]
    const answered = { status: 413, body: 'The file "large.bin" is larger than 1 MB.' }
    expect(await curl('/small', ...args)).toEqual(answered)
    expect(await curl('/small', '-H', 'Expect:', ...args)).toEqual(answered)
    expect(await curl('/small', '-H', 'Transfer-Encoding: chunked', ...args)).toEqual(answered)
  })

  it('notices a client that hangs up half-way', async () => {
    outcomes.length = 0
    asked = 0
    const socket = connect(port, '127.0.0.1')
    socket.write(
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: 100000\r\n\r\n' +
        '--XX\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhalf',
    )
    await expect.poll(() => asked, { timeout: scaled(20_000) }).toBe(1)
    socket.destroy()
    await expect.poll(() => outcomes, { timeout: scaled(20_000) }).toEqual(['INVALID_REQUEST'])
  })
})
