/** What the guarded Fetcher must refuse, and that it refuses before a connection is tried. */

import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, expect, test, vi } from 'vitest'
import { checkRedirect, checkUrl, isPublicAddress } from '../../src/drivers/fetch-address.ts'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import { answering, countingSockets, failure, serve, TLS } from './fetch-servers.ts'

const LIMITS = { maxBytes: 1_000_000, timeoutMs: 5_000 }

/** Spellings of loopback; each is tried against a server that really listens there. */
const LOOPBACK = `
  127.0.0.1 127.1 127.0.1 2130706433 017700000001 0x7f000001 0x7f.0.0.1 0177.0.0.1 0x7f.1 127.0.0.1. 127.0.0.1..
  0x7F.0x0.0x0.0x1 127.0.0.2 127.255.255.254 %31%32%37.0.0.1 ①②⑦.⓪.⓪.① 127。0。0。1 0 0.0.0.0 00000000 [::1]
  [0:0:0:0:0:0:0:1] [::] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1]
  [::ffff:0:127.0.0.1] localhost LOCALHOST localhost. a.localhost localhost.localdomain printer printer.local
  ⓛocalhost
`
  .trim()
  .split(/\s+/)

const PRIVATE = `
  10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1 3232235777 100.64.0.1 100.127.255.255
  169.254.169.254 0xA9FEA9FE 2852039166 0251.0376.0251.0376 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192
  192.0.0.1 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
  255.255.255.255 0.1.2.3 [fe80::1] [fe80::a9fe:a9fe] [febf::1] [fec0::1] [fc00::1] [fd00:ec2::254] [fd20:ce::254]
  [ff02::1] [::ffff:10.0.0.1] [::ffff:a9fe:a9fe] [::169.254.169.254] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe]
  [64:ff9b:1::1] [2002:7f00:1::] [2002:a9fe:a9fe::1] [2001:0:4136:e378:8000:63bf:3fff:fdd2] [2001:db8::1] [3fff::1]
  [5f00::1] [100::1] [2001:2::1] [2001:10::1] [2001:20::1] [4000::1] [2a00:1450::5efe:10.0.0.1]
  metadata.google.internal metadata.google.internal. METADATA.google.internal metadata metadata.goog
  metadata.tencentyun.com db.corp router.lan nas.home.arpa x.onion
`
  .trim()
  .split(/\s+/)

const NOT_FETCHED = [
  'http://user:secret@files.example.org/',
  'http://user@files.example.org/',
  'http://:secret@files.example.org/',
  'http://files.example.org@127.0.0.1/',
  'ftp://files.example.org/',
  'file:///etc/passwd',
  'gopher://files.example.org/',
  'data:text/plain,hello',
  'javascript:alert(1)',
  'blob:https://files.example.org/1',
  'ws://files.example.org/',
  'unix:/run/docker.sock',
  'http://files.example.org:22/',
  'http://files.example.org:25/',
  'http://files.example.org:0/',
  'http://files.example.org:1/',
  'http://files.example.org:8/',
  'http://files.example.org:993/',
  'http://files.example.org:6667/',
  'http://files.example.org:6000/',
  'http://files.example.org:2049/',
  'http://files.example.org:10080/',
  'http://files.example.org:65536/',
  'http://[fe80::1%25eth0]/',
  'http://[fe80::1%eth0]/',
  'http://256.256.256.256/',
  'http://1.2.3.4.5/',
  '//files.example.org/',
  'files.example.org/a.pdf',
  '/a.pdf',
  'http://',
  'http:///',
  '',
  ' ',
  'not a url',
  'http://exa mple.org/',
  'http://files.example.org\u0000.evil.example/',
]

afterEach(() => vi.restoreAllMocks())

test.for(LOOPBACK)('a server on this machine is not reached as %s', async (host) => {
  await using server = await serve((_request, response) => response.end('secret'), { host: '0.0.0.0' })
  const lookup = answering(['127.0.0.1'])
  const fetcher = createNodeFetcher({ lookup })
  const sockets = await countingSockets(async () => {
    const error = await failure(fetcher.fetch(`http://${host}:${server.port}/`, LIMITS))
    expect(error.code).toBe('URL_NOT_ALLOWED')
    expect(error.transient).toBe(false)
  })
  expect([sockets, server.requests(), lookup.asked()]).toEqual([0, 0, 0])
})

test.for([...PRIVATE.map((host) => `http://${host}/latest/meta-data/`), ...NOT_FETCHED])(
  '%s is refused unseen',
  async (url) => {
    const lookup = answering(['93.184.216.34'])
    const sockets = await countingSockets(async () => {
      const error = await failure(createNodeFetcher({ lookup }).fetch(url, LIMITS))
      expect(error.code).toBe('URL_NOT_ALLOWED')
      expect(error.message).not.toMatch(/169\.254|10\.0\.0|secret|fe80/)
    })
    expect([sockets, lookup.asked()]).toEqual([0, 0])
  },
)

test.for([
  ['127.0.0.1'],
  ['10.0.0.1'],
  ['169.254.169.254'],
  ['0.0.0.0'],
  ['::1'],
  ['fe80::1%eth0'],
  ['fd00:ec2::254'],
  ['::ffff:127.0.0.1'],
  ['64:ff9b::7f00:1'],
  ['93.184.216.34', '127.0.0.1'],
  ['10.1.2.3', '93.184.216.34'],
  ['93.184.216.34', '::1'],
  ['not an address'],
  ['127.1'],
])('a public name that leads to %j is refused, all of it', async (answer) => {
  const lookup = answering(answer)
  const sockets = await countingSockets(async () => {
    const error = await failure(createNodeFetcher({ lookup }).fetch('http://files.example.org/a.pdf', LIMITS))
    expect(error.code).toBe('URL_NOT_ALLOWED')
    for (const address of answer) expect(JSON.stringify([error.message, error.details])).not.toContain(address)
  })
  expect([sockets, lookup.asked()]).toEqual([0, 1])
})

test('public addresses and ordinary links pass', () => {
  const addresses = ['93.184.216.34', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2a00:1450:4001::1', '2606:4700::1111']
  expect(addresses.filter((address) => !isPublicAddress(address))).toEqual([])
  expect(isPublicAddress('64:ff9b::8.8.8.8'), 'behind NAT64').toBe(true)
  for (const url of [
    'http://example.org',
    'https://example.org:8443/a?b#c',
    'HTTPS://EXAMPLE.ORG.:443/',
    'http://8.8.8.8:3000/',
  ]) {
    expect(() => checkUrl(url)).not.toThrow()
  }
})

test('allowPrivate lifts the address rule and no other', async () => {
  await using server = await serve((_request, response) => response.end('hello'))
  const fetcher = createNodeFetcher({ allowPrivate: true })
  const fetched = await fetcher.fetch(`http://127.0.0.1:${server.port}/`, LIMITS)
  expect(await new Response(fetched.body).text()).toBe('hello')
  for (const url of [`http://a:b@127.0.0.1:${server.port}/`, 'http://127.0.0.1:22/', 'file:///etc/passwd']) {
    expect((await failure(fetcher.fetch(url, LIMITS))).code).toBe('URL_NOT_ALLOWED')
  }
  expect(server.requests()).toBe(1)
})

/** One machine, two sides of the fence: 127.0.0.1 counts as public, all else as private. */
const permits = (address: string) => address === '127.0.0.1'

test('a name that changes its answer cannot move a request to another address', async () => {
  await using open = await serve((_request, response) => response.end('public'))
  await using secret = await serve((_request, response) => response.end('secret'), {
    host: '127.0.0.2',
    port: open.port,
  })
  const lookup = answering(['127.0.0.1'], ['127.0.0.2'])
  const fetcher = createNodeFetcher({ lookup, permits })
  const url = `http://rebind.example.org:${open.port}/`
  const fetched = await fetcher.fetch(url, LIMITS)
  expect(await new Response(fetched.body).text()).toBe('public')
  expect(lookup.asked(), 'one look-up a connection: what was checked is what was connected to').toBe(1)
  expect((await failure(fetcher.fetch(url, LIMITS))).code).toBe('URL_NOT_ALLOWED')
  expect([open.requests(), secret.requests()]).toEqual([1, 0])
})

test('a name that changes its answer between two hops is caught at the second', async () => {
  await using open = await serve((_request, response) => response.writeHead(302, { location: '/again' }).end())
  await using secret = await serve((_request, response) => response.end('secret'), {
    host: '127.0.0.2',
    port: open.port,
  })
  const lookup = answering(['127.0.0.1'], ['127.0.0.2'])
  const error = await failure(
    createNodeFetcher({ lookup, permits }).fetch(`http://rebind.example.org:${open.port}/`, LIMITS),
  )
  expect([error.code, open.requests(), secret.requests()]).toEqual(['URL_NOT_ALLOWED', 1, 0])
})

test.for([
  'http://127.0.0.2:PORT/',
  'http://localhost:PORT/',
  '//127.0.0.2:PORT/',
  'http://[::1]:PORT/',
  'http://2130706434:PORT/',
  'http://169.254.169.254/latest/',
  'file:///etc/passwd',
  'http://a:b@files.example.org:PORT/',
  'http://files.example.org:22/',
  'http://',
  'gopher://files.example.org/',
  'http://inside.example.org:PORT/',
  '\\\\127.0.0.2:PORT\\',
])('a redirect to %s is refused', async (location) => {
  await using open = await serve((_request, response) =>
    response.writeHead(302, { location: location.replace('PORT', String(open.port)) }).end(),
  )
  await using secret = await serve((_request, response) => response.end('secret'), {
    host: '127.0.0.2',
    port: open.port,
  })
  const lookup = async (name: string) => [{ address: name.startsWith('inside') ? '127.0.0.2' : '127.0.0.1', family: 4 }]
  const sockets = await countingSockets(async () => {
    const fetcher = createNodeFetcher({ lookup, permits })
    const error = await failure(fetcher.fetch(`http://files.example.org:${open.port}/`, LIMITS))
    expect(error.code).toBe('URL_NOT_ALLOWED')
    expect(error.message).not.toContain('127.0.0')
  })
  expect([sockets, secret.requests()]).toEqual([1, 0])
})

test("the machine's own public address is reached on web ports alone", async () => {
  vi.spyOn(os, 'networkInterfaces').mockReturnValue({
    eth0: [{ address: '8.8.8.8', netmask: '', mac: '', internal: false, cidr: null, family: 'IPv4' }],
  })
  syncBuiltinESMExports()
  const lookup = answering(['8.8.8.8'])
  const sockets = await countingSockets(async () => {
    const error = await failure(createNodeFetcher({ lookup }).fetch('http://files.example.org:5432/', LIMITS))
    expect(error.code).toBe('URL_NOT_ALLOWED')
  })
  vi.restoreAllMocks()
  syncBuiltinESMExports()
  expect(sockets).toBe(0)
})

test('TLS: the certificate is checked for the name, and https does not fall back to http', async () => {
  await using plain = await serve((_request, response) => response.end('plain'))
  await using secure = await serve(
    (request, response) => {
      if (request.url === '/down') response.writeHead(302, { location: `http://files.example.org:${plain.port}/` })
      response.end('secure')
    },
    { tls: TLS },
  )
  const fetcher = createNodeFetcher({ lookup: answering(['127.0.0.1']), permits })
  const at = (host: string, path: string) => fetcher.fetch(`https://${host}:${secure.port}${path}`, LIMITS)
  expect((await failure(at('secure.example.org', '/'))).message).toContain('certificate')
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, TLS.cert])
  try {
    expect(await new Response((await at('secure.example.org', '/')).body).text()).toBe('secure')
    expect((await failure(at('other.example.org', '/'))).message).toContain('certificate')
    expect((await failure(at('secure.example.org', '/down'))).code).toBe('URL_NOT_ALLOWED')
  } finally {
    setDefaultCACertificates(trusted)
  }
  expect(plain.requests()).toBe(0)
  expect(checkRedirect(new URL('http://example.org/'), 'https://example.org/a').href).toBe('https://example.org/a')
})
