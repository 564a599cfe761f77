/** The look-up of names: by whom it is answered, how long it may take, how it is called off. And what an owner's fetches may hold. */
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { createLookup } from '../../src/drivers/dns-lookup.ts'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import { type DnsAnswer, startDnsServer } from './dns-servers.ts'
import { serve } from './fetch-servers.ts'

const NAMES: Record<string, DnsAnswer> = {
  'both.test': { A: ['93.184.216.34', '93.184.216.35'], AAAA: ['2606:2800:220:1::1'] },
  'four.test': { A: ['127.0.0.1'], AAAA: [] },
  'half.test': { A: ['127.0.0.1'], AAAA: 'silent' },
  'six.test': { A: [], AAAA: ['::1'] },
  'mixed.test': { A: ['93.184.216.34'], AAAA: ['::1'] },
  'none.test': {},
}
const answer = (name: string): DnsAnswer => (name.endsWith('silent.test') ? 'silent' : (NAMES[name] ?? 'unknown'))
const hostsFile = join(tmpdir(), `millrace-hosts-${process.pid}`)
afterEach(() => rm(hostsFile, { force: true }))

const addresses = (found: readonly { address: string }[]) => found.map(({ address }) => address)
const LIMITS = { maxBytes: 1_000, timeoutMs: 30_000 }

it('finds the addresses of both families', async () => {
  await using dns = await startDnsServer(answer)
  const lookup = createLookup({ servers: [dns.address] })
  expect(await lookup('both.test', { all: true })).toEqual([
    { address: '93.184.216.34', family: 4 },
    { address: '93.184.216.35', family: 4 },
    { address: '2606:2800:220:1::1', family: 6 },
  ])
  expect(addresses(await lookup('FOUR.test.', { all: true }))).toEqual(['127.0.0.1'])
  expect(addresses(await lookup('six.test', { all: true }))).toEqual(['::1'])
  expect(addresses(await lookup('half.test', { all: true }))).toEqual(['127.0.0.1'])
})

it('says why there is no address', async () => {
  await using dns = await startDnsServer(answer)
  const lookup = createLookup({ servers: [dns.address], timeoutMs: 300 })
  await expect(lookup('unknown.test', { all: true })).rejects.toMatchObject({ code: 'ENOTFOUND' })
  await expect(lookup('none.test', { all: true })).rejects.toMatchObject({ code: 'ENODATA' })
  await expect(lookup('silent.test', { all: true })).rejects.toMatchObject({ code: 'EAI_AGAIN' })
  await expect(lookup(`${'x'.repeat(70)}.test`, { all: true })).rejects.toMatchObject({ code: 'ENOTFOUND' })
})

it('asks nobody for what the hosts file or the name itself says, and reads that file again when it changes', async () => {
  await using dns = await startDnsServer()
  await writeFile(hostsFile, '# mine\n10.1.2.3\tFiles.Test alias.test # here\n::7 files.test\nnonsense line\n')
  const lookup = createLookup({ servers: [dns.address], hostsFile })
  expect(addresses(await lookup('files.test', { all: true }))).toEqual(['10.1.2.3', '::7'])
  expect(addresses(await lookup('alias.test.', { all: true }))).toEqual(['10.1.2.3'])
  expect(addresses(await lookup('localhost', { all: true }))).toEqual(['127.0.0.1', '::1'])
  expect(addresses(await lookup('app.localhost', { all: true }))).toEqual(['127.0.0.1', '::1'])
  await writeFile(hostsFile, '10.9.9.9 files.test more.test\n')
  expect(addresses(await lookup('files.test', { all: true }))).toEqual(['10.9.9.9'])
  expect(dns.asked).toEqual([])
})

it('ends with its signal, at once', async () => {
  await using dns = await startDnsServer()
  const stop = new AbortController()
  const asking = createLookup({ servers: [dns.address], timeoutMs: 600_000 })('silent.test', {
    all: true,
    signal: stop.signal,
  })
  while (dns.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  stop.abort()
  await expect(asking).rejects.toMatchObject({ code: 'EAI_AGAIN' })
})

it('a thousand names that nobody answers for leave the look-up of others free', async () => {
  await using dns = await startDnsServer(answer)
  const lookup = createLookup({ servers: [dns.address], timeoutMs: 600_000 })
  const stop = new AbortController()
  const hanging = Array.from({ length: 500 }, (_, i) =>
    lookup(`n${i}.silent.test`, { all: true, signal: stop.signal }).catch(() => {}),
  )
  expect(addresses(await lookup('four.test', { all: true }))).toEqual(['127.0.0.1'])
  stop.abort()
  await Promise.all(hanging)
})

it.each(['four.test', 'six.test', 'mixed.test', 'half.test', 'localhost', 'app.localhost'])(
  'a name that leads inside is refused: %s',
  async (name) => {
    await using dns = await startDnsServer(answer)
    const fetcher = createNodeFetcher({ lookup: createLookup({ servers: [dns.address] }) })
    await expect(fetcher.fetch(`http://${name}/`, LIMITS)).rejects.toMatchObject({ code: 'URL_NOT_ALLOWED' })
  },
)

it('a name that cannot be looked up is worth another try; one that is not there is not said to be', async () => {
  await using dns = await startDnsServer(answer)
  const fetcher = createNodeFetcher({ lookup: createLookup({ servers: [dns.address], timeoutMs: 200 }) })
  const failure = (name: string) => fetcher.fetch(`http://${name}/`, LIMITS)
  await expect(failure('silent.test')).rejects.toMatchObject({
    code: 'NETWORK_ERROR',
    message: /could not be looked up/,
  })
  await expect(failure('unknown.test')).rejects.toMatchObject({ code: 'NETWORK_ERROR', message: /no website under/ })
})

it('an owner has only so many fetches under way; the rest wait without running out of time, and others do not wait', async () => {
  let open = 0
  let most = 0
  const held: (() => void)[] = []
  await using server = await serve((request, response) => {
    if (request.url === '/quick') return response.end('quick')
    most = Math.max(most, ++open)
    held.push(() => {
      open--
      response.end('slow')
    })
  })
  const fetcher = createNodeFetcher({ allowPrivate: true, perOwner: 3 })
  const at = (path: string) => `http://127.0.0.1:${server.port}${path}`
  const read = async (path: string, owner: string, timeoutMs = 30_000) => {
    const { body } = await fetcher.fetch(at(path), { ...LIMITS, timeoutMs, owner })
    return new Response(body).text()
  }
  const send = () => fetcher.send(at('/slow'), { body: '{}', headers: {}, timeoutMs: 30_000, owner: 'hostile' })
  const slow = [...Array.from({ length: 6 }, () => read('/slow', 'hostile')), send(), send()]
  while (held.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(await read('/quick', 'good')).toBe('quick')
  // Its time limit begins when it has a slot: a timer that it set before would go off here.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const late = read('/quick', 'hostile', 30_000)
  vi.advanceTimersByTime(31_000)
  vi.useRealTimers()
  expect(held).toHaveLength(3)
  const answering = setInterval(() => held.shift()?.(), 5)
  expect(await late).toBe('quick')
  await Promise.all(slow)
  clearInterval(answering)
  expect(most).toBe(3)
})
