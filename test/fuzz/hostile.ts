/** What a caller should not send: values of other kinds, texts that are no JSON, headers, queries and forms that are not what they say. */
import fc from 'fast-check'

/** Texts that have broken servers. */
export const ODD_TEXTS: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'x\udfff\ud800y',
  '\u202e\u200b\ufeff',
  '__proto__',
  'constructor',
  'toString',
  'NaN',
  '-0',
  '1e999',
  '9007199254740993',
  "'; DROP TABLE batches; --",
  '%s%n%00',
  '../../../../etc/passwd',
  '{{7*7}}',
  '\r\nX-Injected: 1',
  '💥'.repeat(50),
  'á'.normalize('NFD').repeat(100),
  'x'.repeat(5_000),
  'x'.repeat(200_000),
]

/** Values of every kind, none of them likely to be right. */
const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...ODD_TEXTS) },
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    -1,
    1.5,
    1e21,
    2 ** 53,
    -(2 ** 63),
    1e308,
    5e-324,
    [],
    {},
    [[]],
    [null],
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.jsonValue({ maxDepth: 2, stringUnit: 'binary' }),
  fc.constantFrom<unknown>(
    JSON.parse('{"__proto__": {"polluted": true}}'),
    { constructor: { prototype: { polluted: true } } },
    { toString: 1, valueOf: null, length: -1 },
    Array.from({ length: 2_000 }, (_, i) => i),
  ),
)

const isContainer = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** Every place in a value: the object or array, and the key in it. */
function places(value: unknown): [holder: Record<string, unknown>, key: string][] {
  const found: [Record<string, unknown>, string][] = []
  const waiting = [value]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (!isContainer(next)) continue
    for (const key of Object.keys(next)) {
      found.push([next, key])
      waiting.push(next[key])
    }
    if (found.length > 1_000) break
  }
  return found
}

interface Change {
  readonly at: number
  readonly kind: 'replace' | 'remove' | 'add' | 'repeat' | 'nest'
  readonly value: unknown
  readonly name: string
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(999),
  kind: fc.constantFrom('replace', 'replace', 'remove', 'add', 'repeat', 'nest'),
  value: oddValue,
  name: fc.oneof(fc.constantFrom(...ODD_TEXTS), fc.string({ maxLength: 10 })),
})

function changed(value: unknown, changes: readonly Change[]): unknown {
  // Not as it is: arbitraries may hand out frozen values, and the same ones again.
  const root: Record<string, unknown> = { '': structuredClone(value) }
  for (const { at, kind, value: odd, name } of changes) {
    const all = places(root)
    const [holder, key] = all[at % all.length] ?? [root, '']
    const there = holder[key]
    const put = (to: object, as: string, what: unknown) =>
      Object.defineProperty(to, as, {
        value: structuredClone(what),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    if (kind === 'replace') put(holder, key, odd)
    else if (kind === 'remove') delete holder[key]
    else if (kind === 'nest') put(holder, key, [there])
    else if (kind === 'repeat' && Array.isArray(there))
      put(
        holder,
        key,
        Array.from({ length: 300 }, (_, i) => there[i % there.length]),
      )
    else if (Array.isArray(there)) there.push(structuredClone(odd))
    else if (isContainer(there)) put(there, name, odd)
  }
  return root['']
}

/** Values near those of `valid`: fields missing, added, of another kind, repeated, nested. */
export function mutated(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(valid, fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([value, changes]) => changed(value, changes))
}

const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth)

/** Texts near the JSON of `valid` that are no JSON, or are JSON as no library writes it. */
export function brokenJson(valid: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  const text = valid.map((value) => JSON.stringify(value) ?? 'null')
  return fc.oneof(
    fc.tuple(text, fc.nat(10_000)).map(([json, at]) => json.slice(0, at % (json.length + 1))),
    fc
      .tuple(text, fc.nat(10_000), fc.string({ unit: 'binary', minLength: 1, maxLength: 5 }))
      .map(([json, at, junk]) => {
        const cut = at % (json.length + 1)
        return json.slice(0, cut) + junk + json.slice(cut)
      }),
    // Every key twice, the second one with another value.
    text.map((json) => json.replace(/"(\w+)":/g, '"$1":null,"$1":')),
    text.map((json) => json.replace(/:(-?\d+)/g, ':$1e999')),
    text.map((json) => json.replace(/:("[^"]*"|\d+|true|false)/, ':NaN')),
    text.map((json) => `\ufeff${json}`),
    text.map((json) => `${json}${json}`),
    text.map((json) => json.replace(/"([^"]*)"(?=[,}\]])/, '"\\ud800$1\\u0000"')),
    fc.constantFrom(
      '',
      'null',
      '[]',
      '{}',
      '"text"',
      '42',
      '{"a":1,}',
      "{'a':1}",
      nested(5_000, '[', ']'),
      nested(100_000, '{"items":[', ']}'),
      `{"items":${nested(20_000, '[', ']')}}`,
      `[${'1,'.repeat(50_000)}1]`,
      `{"a":${'9'.repeat(50_000)}}`,
      `{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":0`).join()}}`,
    ),
  )
}

/** Bytes of no text. */
export const garbage: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom(
    Uint8Array.of(0xff, 0xfe, 0x7b, 0x00),
    Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff),
    new Uint8Array(100_000),
  ),
)

const MEDIA_TYPES = [
  '',
  'application/json',
  'APPLICATION/JSON; CHARSET=utf-16',
  'application/json; charset=shift_jis',
  'application/json;;;=',
  'application/vnd.api+json',
  'application/x-ndjson',
  'text/csv',
  'text/plain',
  'application/pdf',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary="',
  `multipart/form-data; boundary=${'b'.repeat(100)}`,
  'multipart/mixed; boundary=x',
  'application/x-www-form-urlencoded',
  '*/*',
  'x'.repeat(1_000),
]

/** Characters that HTTP allows in the value of a header. */
const headerText = fc
  .string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
    maxLength: 60,
  })
  .map((text) => text.trim())

const HEADERS: Readonly<Record<string, readonly string[]>> = {
  'Content-Type': MEDIA_TYPES,
  'Content-Encoding': ['gzip', 'br', 'identity', 'deflate', 'gzip, gzip', 'x'],
  'Idempotency-Key': ['a', 'a b', '', 'x'.repeat(129), 'é', '../..', 'key-1'],
  'Last-Event-ID': ['0', '1', '-1', '1.5', '99999999999999999999', 'NaN', '', '1e3', ' 2 '],
  Range: [
    'bytes=0-0',
    'bytes=5-2',
    'bytes=-0',
    'bytes=-99999999999',
    'bytes=0-,0-,0-',
    'lines=1-2',
    'bytes=',
    'bytes=9007199254740993-',
  ],
  'If-Range': ['"x"', 'W/"x"', 'Mon, 01 Jan 2035 00:00:00 GMT', 'never'],
  'If-None-Match': ['*', '"x"', 'W/"x", "y"', '"', '', 'x'.repeat(2_000)],
  'If-Match': ['*', '"x"'],
  'If-Modified-Since': ['never', 'Mon, 01 Jan 2035 00:00:00 GMT'],
  Authorization: [
    '',
    'Bearer',
    'Bearer ',
    'Bearer x',
    'bearer mr_nothing',
    'Basic dTpw',
    'Bearer a.b.c',
    'Bearer eyJhbGciOiJub25lIn0.e30.',
    `Bearer ${'x'.repeat(5_000)}`,
  ],
  'X-API-Key': ['x', ''],
  Origin: ['null', 'http://evil.example', 'http://localhost', 'file://', 'http://', 'x'.repeat(500)],
  Accept: ['text/event-stream', 'application/json', '*/*;q=0', 'text/html', 'x'],
  'Accept-Encoding': ['gzip', 'br;q=1.0, *;q=0', 'x'],
  'Access-Control-Request-Method': ['POST', 'NONSENSE'],
  Cookie: ['a=b; c', `x=${'y'.repeat(3_000)}`],
  'X-Request-Id': ['x', 'x'.repeat(500), '<script>', ''],
  'X-Forwarded-For': ['127.0.0.1', '::1, 10.0.0.1', 'x'],
  'X-HTTP-Method-Override': ['DELETE', 'TRACE'],
  Prefer: ['respond-async, wait=1000'],
  Upgrade: ['websocket', 'h2c'],
}

/** Headers that are at odds with the request, or with themselves. */
export const oddHeaders: fc.Arbitrary<[string, string][]> = fc.array(
  fc
    .constantFrom(...Object.keys(HEADERS))
    .chain((name) =>
      fc
        .oneof({ weight: 3, arbitrary: fc.constantFrom(...(HEADERS[name] ?? [''])) }, headerText)
        .map((value): [string, string] => [name, value]),
    ),
  { maxLength: 4 },
)

/** A `Host` that is not ours, or none that could be. */
export const oddHost = fc.constantFrom(
  'evil.example',
  'localhost',
  '127.0.0.1:1',
  '[::1]',
  '',
  '@',
  'a b',
  '127.0.0.1.evil.example',
  'x'.repeat(300),
)

/** As it stands in a path or query: percent-encoded well, badly, or not at all where HTTP lets it through. */
export const oddEncoded: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...ODD_TEXTS.map((text) => encodeURIComponent(text.toWellFormed()).slice(0, 3_000))),
  fc.constantFrom(
    '%',
    '%f',
    '%ff',
    '%c0%af',
    '%00',
    '%2e%2e%2f',
    '..',
    '.',
    '%25',
    '+',
    '[]',
    '[$ne]',
    '%u0041',
    '{id}',
    '*',
    '%ed%a0%80',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => encodeURIComponent(text.toWellFormed())),
)

/** A query string of known and unknown parameters: repeated, empty, encoded, long. */
export function oddQuery(
  names: readonly string[],
  value: (name: string) => fc.Arbitrary<unknown>,
): fc.Arbitrary<string> {
  const pair = (
    names.length === 0 ? oddEncoded : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...names) }, oddEncoded)
  ).chain((name) =>
    fc
      .oneof(
        {
          weight: 3,
          arbitrary: value(name).map((one) => encodeURIComponent(String(one).toWellFormed()).slice(0, 3_000)),
        },
        oddEncoded,
      )
      .map((text) => `${name}=${text}`),
  )
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant('') },
    { weight: 6, arbitrary: fc.array(pair, { minLength: 1, maxLength: 4 }).map((pairs) => `?${pairs.join('&')}`) },
    fc.constantFrom(
      '?',
      '?&&&',
      '?=',
      '?a',
      '??',
      '?%',
      '?a=1&a=2&a=3',
      `?x=${'y'.repeat(7_000)}`,
      `?${'a&'.repeat(2_000)}`,
    ),
  )
}

const partName = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('swimmer', 'pdfs', 'urls') },
  fc.constantFrom('', 'pdfs[]', '__proto__', 'x'.repeat(3_000), 'na"me', 'a%22b', 'a\\"b'),
)
const partFile = fc.constantFrom(
  null,
  null,
  'heats.pdf',
  '',
  '../../etc/passwd',
  'C:\\windows\\x.pdf',
  'x'.repeat(3_000),
  'a\u0000.pdf',
  '💥.pdf',
  '"; name="swimmer',
)
const partValue = fc.oneof(
  fc.constantFrom(
    'Ada Quill',
    '["https://sheets.invalid/a.pdf"]',
    '["http://127.0.0.1/a.pdf"]',
    '[1,null]',
    '%PDF-1.4\nnothing',
    '',
  ),
  fc.constantFrom(...ODD_TEXTS),
)

/** Bodies of `multipart/form-data; boundary=edge`: whole ones, and ones whose parts, ends and boundaries are not right. */
export const oddForm: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.tuple(partName, partFile, partValue), { maxLength: 6 }),
    fc.constantFrom(
      'whole',
      'whole',
      'whole',
      'no end',
      'no start',
      'bare line ends',
      'no header',
      'many',
      'cut',
      'other boundary',
      'epilogue',
    ),
    fc.nat(10_000),
  )
  .map(([parts, how, at]) => {
    const head = (name: string, file: string | null) =>
      how === 'no header'
        ? ''
        : `Content-Disposition: form-data; name="${name}"${file === null ? '' : `; filename="${file}"`}\r\n`
    const text = (list: typeof parts) =>
      list.map(([name, file, value]) => `--edge\r\n${head(name, file)}\r\n${value}\r\n`).join('')
    const body = `${text(parts)}--edge--\r\n`
    if (how === 'no end') return text(parts)
    if (how === 'no start') return body.slice('--edge'.length)
    if (how === 'bare line ends') return body.replaceAll('\r\n', '\n')
    if (how === 'many')
      return `${text(Array.from({ length: 3_000 }, (_, i) => [`f${i}`, null, 'x'] as const).map(([a, b, c]): [string, null, string] => [a, b, c]))}--edge--\r\n`
    if (how === 'cut') return body.slice(0, at % (body.length + 1))
    if (how === 'other boundary') return body.replaceAll('--edge', '--ledge')
    return how === 'epilogue' ? `${body}${'x'.repeat(100_000)}` : body
  })
