/** yt-dlp as it is run, and the proxy that its requests go through: what may be reached, what is bounded, and that it ends. */
import { chmod, mkdtemp, writeFile } from 'node:fs/promises'
import { type RequestListener, request as send } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { createYtDlp, findProgram } from '../../src/drivers/media-yt-dlp.ts'
import { openGuardedProxy } from '../../src/drivers/proxy-guarded.ts'
import { find } from '../support/programs.ts'
import { scaled } from '../support/time-limits.ts'
import { failure, serve } from './fetch-servers.ts'

const path = find('yt-dlp')
const PAGE = '<!doctype html><title>The talk</title><video src="talk.mp4"><track srclang="en" src="talk.vtt"></video>'
const pages: RequestListener = (request, response) => {
  const isPage = request.url === '/page.html'
  response.setHeader('Content-Type', isPage ? 'text/html' : 'video/mp4').end(isPage ? PAGE : 'bytes')
}
/** Allows one port of this machine alone. */
const only = (port: number) => ({ allowPrivate: true, permits: (_: string, asked: number) => asked === port })

const Info = z.object({ title: z.string(), subtitles: z.record(z.string(), z.array(z.object({ url: z.string() }))) })

describe.skipIf(path === null)('the real yt-dlp', () => {
  const lister = (guard: Parameters<typeof createYtDlp>[0]['guard']) => createYtDlp({ path: path ?? '', guard })

  test('describes a page with a player and its captions', async () => {
    await using server = await serve(pages)
    const origin = `http://127.0.0.1:${server.port}`
    const found = await lister(only(server.port)).describe(`${origin}/page.html`, { owner: 'o' })
    expect(Info.parse(found)).toEqual({
      title: 'The talk (1)',
      subtitles: { en: [{ url: `${origin}/talk.vtt` }] },
    })
  })

  test('a private address is refused, itself, by redirect, and as a playlist that a page names', async () => {
    await using secret = await serve((_, response) => response.end('#EXTM3U'))
    await using server = await serve((request, response) => {
      const inside = `http://127.0.0.1:${secret.port}/secret.m3u8`
      if (request.url === '/redirect') response.writeHead(302, { location: inside }).end()
      else
        response.setHeader('Content-Type', 'text/html').end(`<title>x</title><video><source src="${inside}"></video>`)
    })
    const listed = lister(only(server.port))
    const ends = [`http://127.0.0.1:${secret.port}/`, `http://127.0.0.1:${server.port}/redirect`]
    for (const url of ends) expect((await failure(listed.describe(url, { owner: 'o' }))).code).toBe('URL_NOT_ALLOWED')
    // The page itself may be described, but its playlist was not read.
    await listed.describe(`http://127.0.0.1:${server.port}/page`, { owner: 'o' }).catch(() => {})
    expect(secret.requests()).toBe(0)
    const refused = await failure(createYtDlp({ path: path ?? '', guard: {} }).describe(ends[0] ?? '', { owner: 'o' }))
    expect(refused.code).toBe('URL_NOT_ALLOWED')
  })

  test('ends within two seconds of a cancel, while its page does not answer', async () => {
    const asked = Promise.withResolvers<void>()
    await using server = await serve(() => asked.resolve())
    const stop = new AbortController()
    const listing = lister(only(server.port)).describe(`http://127.0.0.1:${server.port}/`, {
      owner: 'o',
      signal: stop.signal,
    })
    listing.catch(() => {})
    await asked.promise
    const abortedAt = performance.now()
    stop.abort()
    // Fails once the process was reported to have closed its output and ended.
    expect((await failure(listing)).code).toBe('CANCELLED')
    expect(performance.now() - abortedAt).toBeLessThan(scaled(2_000))
  })

  test.for([
    [404, 'NOT_FOUND'],
    [429, 'RATE_LIMIT'],
    [503, 'SERVICE_UNAVAILABLE'],
  ] as const)('a page that answers %i is %s', async ([status, code]) => {
    await using server = await serve((_, response) => response.writeHead(status).end())
    const error = await failure(lister(only(server.port)).describe(`http://127.0.0.1:${server.port}/`, { owner: 'o' }))
    expect(error.code).toBe(code)
  })

  test('a page without a recording is UNSUPPORTED_MEDIA_TYPE', async () => {
    await using server = await serve((_, response) =>
      response.setHeader('Content-Type', 'text/html').end('<p>Hello</p>'),
    )
    const error = await failure(lister(only(server.port)).describe(`http://127.0.0.1:${server.port}/`, { owner: 'o' }))
    expect(error.code).toBe('UNSUPPORTED_MEDIA_TYPE')
  })
})

describe('a program in its place', () => {
  /** Makes a program that `describe` runs. */
  async function program(script: string): Promise<string> {
    const file = join(await mkdtemp(join(tmpdir(), 'millrace-yt-dlp-')), 'program')
    await writeFile(file, `#!/bin/sh\n${script}\n`)
    await chmod(file, 0o755)
    return file
  }
  const url = 'http://127.0.0.1:8000/'
  const guard = { allowPrivate: true }

  test('has none of the variables of this server, and reads no configuration', async () => {
    process.env.MILLRACE_TEST_SECRET = 'secret'
    const lister = createYtDlp({
      path: await program('printf \'{"env":"%s","args":"%s"}\' "$(env | tr "\\n" " ")" "$*"'),
      guard,
    })
    delete process.env.MILLRACE_TEST_SECRET
    const { env, args } = z
      .object({ env: z.string(), args: z.string() })
      .parse(await lister.describe(url, { owner: 'o' }))
    expect(env).not.toContain('secret')
    expect(env).toContain('HOME=/nonexistent')
    expect(args).toMatch(/^--ignore-config --no-cache-dir .* --proxy http:\/\/millrace:[\w-]+@127\.0\.0\.1:\d+ -- http/)
  })

  test('is killed with what it started when its time is over', async () => {
    // The child of the shell holds the output open, so the error comes only after it ended as well.
    const lister = createYtDlp({ path: await program('trap "" TERM; sleep 1000 & wait'), guard, timeLimitMs: 100 })
    expect((await failure(lister.describe(url, { owner: 'o' }))).code).toBe('TIMEOUT')
  })

  test('that prints without end is stopped', async () => {
    const lister = createYtDlp({ path: await program('exec cat /dev/zero'), guard })
    expect((await failure(lister.describe(url, { owner: 'o' }))).code).toBe('TOO_LARGE')
  })

  test('that is not there is SERVICE_UNAVAILABLE, and is not found beforehand', async () => {
    expect(findProgram('/nowhere/yt-dlp')).toBeNull()
    expect(findProgram('sh', '/nowhere:/bin')).toBe('/bin/sh')
    const lister = createYtDlp({ path: '/nowhere/yt-dlp', guard })
    expect((await failure(lister.describe(url, { owner: 'o' }))).code).toBe('SERVICE_UNAVAILABLE')
  })
})

describe('the proxy', () => {
  /** Asks it for a tunnel, and sends a request through it. @returns all that came back */
  const tunnel = (proxy: URL, authority: string, password = proxy.password) =>
    new Promise<string>((resolve, reject) => {
      const credentials = Buffer.from(`${proxy.username}:${password}`).toString('base64')
      const socket = connect(Number(proxy.port), '127.0.0.1', () =>
        socket.write(
          `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
        ),
      )
      let text = ''
      socket.setEncoding('utf8').on('data', (part: string) => {
        if (text === '' && part.includes(' 200 '))
          socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
        text += part
      })
      socket.on('error', reject).on('close', () => resolve(text))
    })

  test('opens tunnels to permitted addresses alone, and to holders of its password', async () => {
    await using secret = await serve((_, response) => response.end('secret'))
    await using server = await serve((_, response) => response.end('public'))
    const proxy = await openGuardedProxy({ ...only(server.port), maxBytes: 10_000 })
    const url = new URL(proxy.url)
    expect(await tunnel(url, `127.0.0.1:${server.port}`)).toContain('public')
    expect(await tunnel(url, `127.0.0.1:${server.port}`, 'wrong')).toMatch(/^HTTP\/1\.1 407 /)
    for (const authority of [
      `127.0.0.1:${secret.port}`,
      `2130706433:${secret.port}`,
      `user@127.0.0.1:${secret.port}`,
      '127.0.0.1:22',
    ]) {
      expect(await tunnel(url, authority), authority).toMatch(/^HTTP\/1\.1 403 /)
    }
    expect([server.requests(), secret.requests()]).toEqual([1, 0])
    expect(proxy.refused?.code).toBe('URL_NOT_ALLOWED')
    proxy.close()
  })

  test('without a permission, no address of this machine is reached by either way', async () => {
    await using server = await serve((_, response) => response.end('secret'))
    const proxy = await openGuardedProxy({ maxBytes: 10_000 })
    const url = new URL(proxy.url)
    expect(await tunnel(url, `127.0.0.1:${server.port}`)).toMatch(/^HTTP\/1\.1 403 /)
    const { port, username, password } = url
    const status = await new Promise((resolve, reject) => {
      const target = `http://127.0.0.1:${server.port}/`
      const headers = { 'Proxy-Authorization': `Basic ${btoa(`${username}:${password}`)}` }
      send({ host: '127.0.0.1', port, path: target, headers }, (answer) => resolve(answer.resume().statusCode))
        .on('error', reject)
        .end()
    })
    expect([status, server.requests()]).toEqual([403, 0])
    proxy.close()
  })

  test('bytes that come back are bounded', async () => {
    await using server = await serve((_, response) => response.end('x'.repeat(100_000)))
    const proxy = await openGuardedProxy({ ...only(server.port), maxBytes: 10_000 })
    expect((await tunnel(new URL(proxy.url), `127.0.0.1:${server.port}`)).length).toBeLessThan(100_000)
    expect(proxy.refused?.code).toBe('TOO_LARGE')
    proxy.close()
  })
})
