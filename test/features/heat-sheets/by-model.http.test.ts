/** Sheets of an unknown layout, read by a language model behind OpenAI's chat API. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Document, extract, resultsOf, toTheEnd } from '../../support/batches.ts'
import { type ChatAnswer, type ChatRequest, startChatService } from '../../support/chat-service.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { SWIMMER, strangeSheet } from '../../support/sheets.ts'

/** Answers of the service by the meet in the question; each is asked with how many questions of that meet came before. */
const answers = new Map<string, (request: ChatRequest, earlier: number) => ChatAnswer>()
const asked = new Map<string, number>()

let service: Awaited<ReturnType<typeof startChatService>>
let server: TestServer
beforeAll(async () => {
  service = await startChatService((request) => {
    // Only the first page names the meet; one document is read at a time.
    const meet = [...answers.keys()].find((name) => request.question.includes(name)) ?? [...answers.keys()].at(-1) ?? ''
    const earlier = asked.get(meet) ?? 0
    asked.set(meet, earlier + 1)
    return answers.get(meet)?.(request, earlier) ?? { status: 500, message: 'Nothing is known of this meet' }
  })
  server = await startServer({
    env: {
      LLM_BASE_URL: service.baseUrl,
      LLM_API_KEY: 'sk-of-the-operator',
      LLM_MODEL: 'reader-1',
      MILLRACE_ALLOW_PRIVATE_URLS: '1',
    },
  })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  service[Symbol.dispose]()
})

const ENTRY = /^(\d+): ([A-Z]+)\/(\w+) >> lane (\d+)$/
const DETAILS = /^\d+: \((\d+) yrs\.\) (\w+) ~ (\S+)$/

/** Reads the question as a model would that makes no mistakes. */
function reading({ question }: ChatRequest, more: object[] = []): ChatAnswer {
  const under = /under event (\d+), (.*), heat (\d+)/.exec(question)
  const events: { line: number; number: number; name: string; session: null; entries: object[] }[] = []
  let heat: number | null = null
  let start: string | null = null
  if (under) {
    heat = Number(under[3])
    events.push({ line: 0, number: Number(under[1]), name: under[2] ?? '', session: null, entries: [] })
  }
  const lines = question.split('\n').filter((line) => /^\d+: /.test(line))
  for (const [i, line] of lines.entries()) {
    const event = /^(\d+): event (\d+) = (.*) =$/.exec(line)
    if (event)
      events.push({
        line: Number(event[1]),
        number: Number(event[2]),
        name: event[3] ?? '',
        session: null,
        entries: [],
      })
    const heading = /heat (\d+) \((\d\d:\d\d)\)/.exec(line)
    if (heading) [heat, start] = [Number(heading[1]), heading[2] ?? null]
    const entry = ENTRY.exec(line)
    const details = DETAILS.exec(lines[i + 1] ?? '')
    if (!entry || !details) continue
    const swimmer = `${entry[2]}, ${entry[3]}`
    const [age, lane] = [Number(details[1]), Number(entry[4])]
    events
      .at(-1)
      ?.entries.push({ line: Number(entry[1]), swimmer, heat, lane, age, team: details[2], seed: details[3], start })
  }
  events.at(-1)?.entries.push(...more)
  const meet = /^1: (.*) \| /m.exec(question)?.[1] ?? null
  const day = meet === null ? null : '2031-03-07'
  return { text: JSON.stringify({ meetName: meet, firstDay: day, lastDay: day, events }) }
}

async function run(pdf: Document, swimmer = SWIMMER) {
  const accepted = await extract(server, { swimmer, pdfs: [pdf] })
  const { received } = await toTheEnd(server, accepted)
  const errors = received.filter(({ event }) => event === 'job_failed').map(({ data }) => data)
  return { errors: JSON.stringify(errors), results: await resultsOf(server, accepted.batchId) }
}

const sheet = async (meet: string): Promise<Document> => ({ name: `${meet}.pdf`, bytes: await strangeSheet(meet) })

it('events are found, with their page and line, and a warning says who read them', async () => {
  answers.set('Meet of reading', (request) => reading(request))
  const { errors, results } = await run(await sheet('Meet of reading'))
  expect(errors).toBe('[]')
  expect(results).toMatchObject({
    events: [
      {
        eventNumber: 4,
        eventName: 'Girls 100 Freestyle',
        heatNumber: 1,
        lane: 3,
        seedTime: '59.10',
        team: 'MILL',
        page: 1,
        sessionDate: '2031-03-07',
      },
      { eventNumber: 5, eventName: 'Girls 200 Medley', heatNumber: 1, lane: 2, seedTime: '2:31.07', page: 2 },
    ],
    warnings: [expect.stringContaining('the language model reader-1 read it')],
  })
  expect(service.requests[0]?.authorization).toBe('Bearer sk-of-the-operator')
})

it('entries that are not printed are left out and counted', async () => {
  const ghost = {
    line: 2,
    swimmer: 'Ghost, Ada Quill',
    heat: 1,
    lane: 3,
    age: null,
    team: null,
    seed: null,
    start: null,
  }
  const wrongLane = { line: 3, swimmer: 'Quill, Ada', heat: 1, lane: 8, age: null, team: null, seed: null, start: null }
  answers.set('Meet of ghosts', (request, earlier) => reading(request, earlier === 0 ? [ghost, wrongLane] : []))
  const { results } = await run(await sheet('Meet of ghosts'))
  expect(results.events).toHaveLength(2)
  expect(results.warnings[0]).toContain('2 entries that are not printed there, which were left out')
})

it('another swimmer of a sheet that was read costs no question', async () => {
  answers.set('Meet of two', (request) => reading(request))
  const pdf = await sheet('Meet of two')
  await run(pdf)
  const before = asked.get('Meet of two')
  const { results } = await run(pdf, 'Cleo Weir')
  expect(results.events).toMatchObject([{ eventNumber: 4, heatNumber: 2, lane: 5 }])
  expect(asked.get('Meet of two')).toBe(before)
})

it('a service that is busy is asked again after the time it says', async () => {
  answers.set('Meet of patience', (request, earlier) =>
    earlier === 0 ? { status: 429, message: 'Slow down', headers: { 'Retry-After': '1' } } : reading(request),
  )
  const { results } = await run(await sheet('Meet of patience'))
  expect(results.events).toHaveLength(2)
})

it.each<[string, ChatAnswer, RegExp]>([
  ['Meet of prose', { text: 'I see a heat sheet.' }, /UNRECOGNIZED_LAYOUT.*no usable answer/],
  [
    'Meet of nothing',
    { text: '{"meetName":null,"firstDay":null,"lastDay":null,"events":[]}' },
    /UNRECOGNIZED_LAYOUT.*found no entries/,
  ],
  ['Meet of keys', { status: 401, message: 'Incorrect API key' }, /LLM_API_KEY/],
])('%s: the document fails alone, and its error says why', async (meet, answer, expected) => {
  answers.set(meet, () => answer)
  const { errors } = await run(await sheet(meet))
  expect(errors).toMatch(expected)
})
