/** What held from the beginning, as a sample: SSRF, tenancy, JWTs by JWKS, pages, malformed input, foreign origins, kills. */
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { makeKey, startProvider } from '../../http/auth/jwks-server.ts'
import { batchEnd, call, echo, pick, textAt, until } from '../call.ts'
import type { Point } from '../points.ts'
import { sendRaw } from '../raw.ts'
import { demand, type Report } from '../report.ts'
import { freshFolder, type Server, startServer, type Target } from '../server.ts'
import { EDGE, GUARDED, OPEN } from '../targets.ts'
import { task } from './access.ts'

/** Spellings of addresses that nobody may have fetched. */
const SPELLINGS = [
  'http://127.0.0.1/',
  'http://127.1/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0177.0.0.1/',
  'http://0/',
  'http://0.0.0.0/',
  'http://[::1]/',
  'http://[::]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[0:0:0:0:0:ffff:7f00:1]/',
  'http://[::7f00:1]/',
  'http://[64:ff9b::7f00:1]/',
  'http://[2002:7f00:1::]/',
  'http://[fe80::1]/',
  'http://[fc00::1]/',
  'http://[ff02::1]/',
  'http://localhost/',
  'http://LOCALHOST./',
  'http://x.localhost/',
  'http://10.0.0.1/',
  'http://172.16.0.1/',
  'http://192.168.0.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://[fd00:ec2::254]/',
  'http://100.64.0.1/',
  'http://198.18.0.1/',
  'http://224.0.0.1/',
  'http://255.255.255.255/',
  'http://127.0.0.1:80@127.0.0.1/',
  'http://①②⑦.⓪.⓪.①/',
  'http://127。0。0。1/',
  'file:///etc/passwd',
  'gopher://127.0.0.1/',
  'ftp://127.0.0.1/',
  'data:application/pdf,a',
  'http://%31%32%37.0.0.1/',
]

async function ssrf(server: Server): Promise<string> {
  const as = { as: 'ann' }
  const taken: string[] = []
  let refused = 0
  const ids: string[] = []
  for (const url of SPELLINGS) {
    const body = { operation: 'heat-sheet', input: { swimmer: 'A B' }, items: [{ url }], options: { maxAttempts: 1 } }
    const answer = await call(server, '/api/batch', { ...as, body })
    if (answer.status === 202) ids.push(textAt(answer, 'batchId'))
    else refused++
  }
  for (const id of ids) {
    await batchEnd(server, id, as)
    const { json } = await call(server, `/api/batch/${id}/jobs`, as)
    const code = pick(json, 'jobs', 0, 'errorCode')
    if (code !== 'URL_NOT_ALLOWED') taken.push(`${pick(json, 'jobs', 0, 'filename')} ${code}`)
  }
  demand(taken.length === 0, taken.join(', '))
  return `${refused} refused, ${ids.length} ended URL_NOT_ALLOWED`
}

async function tenancy(server: Server): Promise<string> {
  const secret = 'Of Ann alone'
  await task(server, 'tea', '/bulk/import', {
    cards: [{ title: secret, body: 'b', category: 'c', privacy_level: 'PRIVATE' }],
  })
  const exported = await task(server, 'tea', '/bulk/export', { format: 'json' })
  const taskId = textAt(exported, 'task_id')
  const cardId = String(pick(JSON.parse(textAt(exported, 'result', 'export_data')), 0, 'id'))
  const body = { operation: 'echo', items: [{ value: secret }], options: { labels: [secret] } }
  const batchId = textAt(
    await call(server, '/api/batch', { as: 'tea', body, headers: { 'Idempotency-Key': 'anns' } }),
    'batchId',
  )
  await batchEnd(server, batchId, { as: 'tea' })
  const ids = [batchId, 'anns', taskId]
  const reads = ids.flatMap((id) =>
    ['', '/jobs', '/results', '/stream', '/results?format=ndjson&set=succeeded'].map((end) => `/api/batch/${id}${end}`),
  )
  const writes = ids.flatMap((id) =>
    ['cancel', 'pause', 'resume', 'retry', 'seal', 'items', 'stream-token'].map((end) => `/api/batch/${id}/${end}`),
  )
  const more = [`/bulk/status/${taskId}`, `/exports/${taskId}`, `/api/webhooks/deliveries?batchId=${batchId}`]
  const open: string[] = []
  for (const path of [...reads, ...more]) {
    const { status, text } = await call(server, path, { as: 'bob' })
    if (text.includes(secret) || (status !== 404 && !path.includes('deliveries'))) open.push(`${path} ${status}`)
  }
  for (const path of [...writes, `/bulk/import/${taskId}/resume`]) {
    const { status } = await call(server, path, { as: 'bob', method: 'POST' })
    if (status < 400) open.push(`${path} ${status}`)
  }
  const removed = await call(server, `/api/batch/${batchId}`, { as: 'bob', method: 'DELETE' })
  const got = await call(server, '/api/v1/batch/get', { as: 'bob', body: { resource_type: 'cards', ids: [cardId] } })
  await task(server, 'bob', '/bulk/delete', { card_ids: [cardId], soft_delete: false })
  const still = await call(server, '/api/v1/batch/get', { as: 'tea', body: { resource_type: 'cards', ids: [cardId] } })
  demand(
    removed.status === 404 && !got.text.includes(secret) && still.text.includes(secret) && open.length === 0,
    open.join(', ') || 'a card',
  )
  return `${reads.length + writes.length + more.length + 4} tries by another owner: not there`
}

async function jwks(): Promise<string> {
  const key = await makeKey('RS256', 'one')
  const stranger = await makeKey('RS256', 'one')
  const { publicKey } = await generateKeyPair('RS256', { extractable: true })
  await using provider = await startProvider([key])
  const env = { MILLRACE_AUTH: 'keys', JWKS_URL: provider.url, JWT_ISSUER: 'us', JWT_AUDIENCE: 'millrace' }
  const server = await startServer({ env })
  try {
    const claims = { sub: 'ann', exp: Math.floor(Date.now() / 1_000) + 3_600, iss: 'us', aud: 'millrace' }
    const coded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const spki = new TextEncoder().encode(await exportSPKI(publicKey))
    const sound = await key.sign(claims)
    const [head = '', body = '', signature = ''] = sound.split('.')
    const forged: Record<string, string> = {
      'alg none': `${coded({ alg: 'none' })}.${coded(claims)}.`,
      'alg None': `${coded({ alg: 'None' })}.${coded(claims)}.${signature}`,
      'the public key as a secret': await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .sign(spki),
      'the key of a stranger': await stranger.sign(claims),
      'an unknown kid': await stranger.sign(claims, { kid: '../../../dev/null' }),
      'a jku of its own': `${coded({ alg: 'RS256', kid: 'two', jku: provider.url })}.${body}.${signature}`,
      'a jwk of its own': `${coded({ alg: 'RS256', jwk: stranger.jwk })}.${body}.${signature}`,
      'other claims': `${head}.${coded({ ...claims, sub: 'bob' })}.${signature}`,
      'no signature': `${head}.${body}.`,
      'another issuer': await key.sign({ ...claims, iss: 'them' }),
      'another audience': await key.sign({ ...claims, aud: 'other' }),
      'no audience': await key.sign({ sub: 'ann', exp: claims.exp, iss: 'us' }),
      'a critical extension': `${coded({ alg: 'RS256', kid: 'one', crit: ['x'], x: 1 })}.${body}.${signature}`,
    }
    const taken: string[] = []
    for (const [name, token] of Object.entries(forged)) {
      const { status } = await call(server, '/api/batch', { headers: { Authorization: `Bearer ${token}` } })
      if (status !== 401) taken.push(`${name}: ${status}`)
    }
    const { status } = await call(server, '/api/batch', { headers: { Authorization: `Bearer ${sound}` } })
    demand(taken.length === 0 && status === 200, `${taken.join(', ')}; a sound one: ${status}`)
    return `${Object.keys(forged).length} refused, a sound one taken`
  } finally {
    await server.kill()
  }
}

const SCRIPT = '<img src=x onerror=alert(1)><script>alert(1)</script>'

async function pages(server: Server): Promise<string> {
  const card = {
    title: SCRIPT,
    body: `${SCRIPT}"'`,
    category: SCRIPT,
    privacy_level: 'IDEAS',
    tags: [SCRIPT],
    source_platform: SCRIPT,
    source_url: 'javascript:alert(1)',
  }
  await task(server, 'pam', '/bulk/import', { cards: [card] })
  const exported = await task(server, 'pam', '/bulk/export', { format: 'json' })
  const address = String(pick(JSON.parse(textAt(exported, 'result', 'export_data')), 0, 'published_url'))
  const page = await call(server, new URL(address, server.url).pathname)
  demand(page.status === 200, `the page is answered ${page.status}`)
  demand(!/<script|<img|href="javascript/i.test(page.text), 'the page holds markup of the card')
  const policy = page.headers.get('Content-Security-Policy') ?? ''
  demand(
    policy.includes("default-src 'none'") && page.headers.get('X-Content-Type-Options') === 'nosniff',
    `policy: ${policy}`,
  )
  return 'text, under a policy that runs nothing'
}

async function malformed(server: Server): Promise<string> {
  const json = { 'Content-Type': 'application/json' }
  const form = { 'Content-Type': 'multipart/form-data; boundary=b' }
  const sends: [string, string, Record<string, string>][] = [
    ...[
      '',
      '{',
      'null',
      '[]',
      '"a"',
      '{"operation":1}',
      '{"operation":"__proto__","items":[]}',
      '{"operation":"echo","items":{}}',
      '{"__proto__":{"a":1}}',
      '{"operation":"echo","items":[{"value":1}],"options":{"priority":1e999}}',
    ].map((body): [string, string, Record<string, string>] => ['/api/batch', body, json]),
    ['/api/batch', '{}', { 'Content-Type': 'text/xml' }],
    ['/api/batch/extract', '--b', form],
    ['/api/batch/extract', '--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--\r\n', form],
    ['/api/batch/extract', 'x', { 'Content-Type': 'multipart/form-data' }],
    ['/bulk/import', '{"cards":', json],
    ['/bulk/import', 'not gzip', { ...json, 'Content-Encoding': 'gzip' }],
    ['/bulk/import', 'a', { ...json, 'Content-Encoding': 'br' }],
    ['/bulk/import', '"', { 'Content-Type': 'text/csv' }],
    ['/bulk/export', '{"format":"exe"}', json],
    ['/api/v1/batch/get', '{"resource_type":"sqlite_master","ids":["a"]}', json],
    ['/api/v1/batch/get', '{"resource_type":"activities","ids":["\' OR 1=1 --"]}', json],
    ['/api/chunks/bulk', '{"chunk_references":[]}', json],
  ]
  const faults: string[] = []
  for (const [path, body, headers] of sends) {
    const { status } = await call(server, path, {
      as: 'ann',
      body,
      headers: { 'Content-Length': String(body.length), ...headers },
    })
    if (status >= 500 || (status < 400 && !path.includes('/v1/')))
      faults.push(`${path} ${body.slice(0, 20)}: ${status}`)
  }
  for (const path of [
    '/docs/..%2f..%2fpackage.json',
    '/docs/%2e%2e/%2e%2e/etc/passwd',
    '/exports/..%2f..%2fmillrace.db',
    '/api/batch?limit=-1',
    '/api/batch?limit=1e9',

    '/%00',
  ]) {
    const { status, text } = await call(server, path, { as: 'ann' })
    if (status >= 500 || status === 200 || text.includes('root:')) faults.push(`${path}: ${status}`)
  }
  demand(faults.length === 0, faults.join('; '))
  return `${sends.length + 6} answered 4xx`
}

/** A page elsewhere, or a name that leads here, against a laptop that takes calls without a key. */
async function foreign(server: Server): Promise<string> {
  const open: string[] = []
  for (const origin of [
    'https://evil.example',
    'null',
    'http://localhost.evil.example',
    'http://127.0.0.1.nip.io',
    'file://',
  ]) {
    const { status, headers } = await call(server, '/api/batch', { headers: { Origin: origin } })
    if (status < 400 || headers.get('Access-Control-Allow-Origin') !== null) open.push(`Origin ${origin}: ${status}`)
  }
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io', '169.254.169.254']) {
    const { text } = await sendRaw(server.port, `GET /api/batch HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    if (!/^HTTP\/1\.1 4/.test(text)) open.push(`Host ${host}: ${text.slice(9, 12)}`)
  }
  demand(open.length === 0, open.join(', '))
  return '9 refused'
}

/** Killed again and again while it works: what was accepted comes to its end, once. */
async function kills(): Promise<string> {
  const dataDir = freshFolder()
  const accepted: string[] = []
  for (let round = 0; round < 3; round++) {
    const server = await startServer({ dataDir })
    const sends = Array.from({ length: 8 }, (_, i) =>
      echo(
        server,
        Array.from({ length: 20 }, () => ({ value: i, waitMs: 40 * i })),
      ).then(
        (id) => accepted.push(id),
        () => {},
      ),
    )
    await Promise.race([Promise.all(sends), new Promise((resolve) => setTimeout(resolve, 40 + 120 * round))])
    await server.kill()
    await Promise.all(sends)
  }
  const server = await startServer({ dataDir })
  try {
    for (const id of accepted) {
      const batch = await batchEnd(server, id, { ms: 40_000 })
      demand(pick(batch, 'completedJobs') === 20, `a batch ended with ${pick(batch, 'completedJobs')} of 20 jobs`)
    }
    await until('an idle queue', 10_000, async () => ((await call(server, '/metrics')).status === 200 ? true : null))
    demand(accepted.length > 0, 'nothing was accepted')
    return `${accepted.length} batches accepted around 3 kills came to their end`
  } finally {
    await server.kill()
  }
}

async function on(report: Report, target: Target): Promise<void> {
  await report.probe('held', target, { name: `SSRF in ${SPELLINGS.length} spellings`, expected: 'none fetched' }, ssrf)
  await report.probe('held', target, { name: 'rows of another owner', expected: '404, unchanged' }, tenancy)
  await report.probe('held', target, { name: 'scripts in a published card', expected: 'text' }, pages)
  await report.probe('held', target, { name: 'malformed input', expected: '4xx' }, malformed)
}

async function run(report: Report): Promise<void> {
  await on(report, GUARDED)
  await report.alone('held', { name: 'JWT and JWKS attacks', expected: '401' }, jwks)
  await report.probe('held', OPEN, { name: 'foreign origins and hosts under open', expected: 'refused' }, foreign)
  await report.alone(
    'held',
    { name: 'kill -9 under load', expected: 'nothing accepted is lost', withinMs: 90_000 },
    kills,
  )
}

export const held: Point = { point: 'held', title: 'held before', lane: 'functional', run }
export const edgeHeld: Point = {
  point: 'held',
  title: 'held before, on workerd',
  lane: 'edge',
  run: (report) => on(report, EDGE),
}
