/**
 * Reads a document of an unknown layout by a language model, some pages a run: their lines are the question, and the answer is held to
 * them. A run checkpoints its answer, so that no page is paid for twice; the last one makes the sheet.
 */
import * as z from 'zod'
import { newUploadKey } from '../../../engine/uploads.ts'
import { MillraceError } from '../../../errors.ts'
import type { LanguageModel } from '../../../language-model.ts'
import type { RunContext } from '../../../operation.ts'
import { type OpenedDocument, readBlob } from '../document.ts'
import { sessionDay } from '../parser/dates.ts'
import { PARSER_VERSION, type Sheet } from '../parser/sheet.ts'
import { type Reading, withSlot } from '../reading.ts'
import { Checked, checkAnswer } from './check-answer.ts'
import { Answer, questionOf } from './question.ts'

/** Characters of one question: an answer is about twice as long, which must fit into what models answer at most (16,384 tokens of many). */
const MOST_CHARACTERS = 8_000
/** Pages beyond which a document is not read this way, since every page costs the operator. */
const MOST_PAGES = 60
/** Answers that may be unusable before the document is given up. */
const TRIES = 2

const Pages = z.object({
  lines: z.array(
    z.object({ text: z.string(), page: z.int(), line: z.tuple([z.number(), z.number(), z.number(), z.number()]) }),
  ),
  next: z.int(),
  pages: z.int(),
})

/** Of numeric dates in names of sessions. */
const MONTH_FIRST = { slash: false, dash: false }

type ByModel = NonNullable<Reading['byModel']>

/**
 * Reads the next pages, or makes the sheet after the last.
 * @throws MillraceError UNRECOGNIZED_LAYOUT where the model finds nothing that is printed, answers no JSON of the schema, or the document is
 * too long; as `LanguageModel.answer` does
 */
export async function readByModel(
  ctx: RunContext,
  model: LanguageModel,
  document: OpenedDocument,
  reading: Reading,
  byModel: ByModel,
): Promise<{ sheet: Sheet } | { reading: Reading }> {
  if (reading.next > reading.pages) {
    const answers = await storedAnswers(ctx, reading)
    if (answers !== null) return { sheet: sheetOf(answers, model, byModel) }
    return { reading: { ...reading, stretches: [], next: 1, byModel: { ...byModel, under: null } } }
  }
  ctx.progress(
    10 + (85 * (reading.next - 1)) / reading.pages,
    `A language model reads page ${reading.next} of ${reading.pages}`,
  )
  const { lines, next, pages } = await readLines(ctx, document, reading)
  if (pages > MOST_PAGES)
    throw unrecognised(byModel, `it has more than ${MOST_PAGES} pages, too many for the language model`)
  const answer = await ask(ctx, model, questionOf(lines, byModel.under))
  if (answer === null) throw unrecognised(byModel, 'the language model gave no usable answer')
  const { checked, under } = checkAnswer(answer, lines, byModel.under)
  const key = newUploadKey('.answer')
  await ctx.blobs.put(key, new TextEncoder().encode(JSON.stringify(checked)))
  return {
    reading: { ...reading, stretches: [...reading.stretches, key], next, pages, byModel: { ...byModel, under } },
  }
}

function readLines(ctx: RunContext, document: OpenedDocument, reading: Reading): Promise<z.infer<typeof Pages>> {
  return withSlot(ctx, reading, async (budget) => {
    const pdf = await document.bytes()
    const input = () => ({ pdf, from: reading.next, mostCharacters: MOST_CHARACTERS })
    return Pages.parse(await budget.run('heat-sheet.text', input, { transfer: [pdf.buffer] }))
  })
}

/** @returns null where no answer was of the schema */
async function ask(
  ctx: RunContext,
  model: LanguageModel,
  question: ReturnType<typeof questionOf>,
): Promise<Answer | null> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const { data } = Answer.safeParse(await model.answer(question, { signal: ctx.signal }))
    if (data !== undefined) return data
    ctx.log.warn({ model: model.name }, 'An answer of the language model is not of its schema.')
  }
  return null
}

/** Reads the answers of earlier runs; null where some were deleted. */
async function storedAnswers(ctx: RunContext, { stretches }: Reading): Promise<readonly Checked[] | null> {
  const answers: Checked[] = []
  for (const key of stretches) {
    const bytes = await readBlob(ctx, key)
    if (bytes === null) return null
    answers.push(Checked.parse(JSON.parse(new TextDecoder().decode(bytes))))
  }
  return answers
}

function sheetOf(answers: readonly Checked[], model: LanguageModel, byModel: ByModel): Sheet {
  const start = answers.find(({ firstDay }) => firstDay !== null)?.firstDay ?? null
  const end = answers.find(({ lastDay }) => lastDay !== null)?.lastDay ?? start
  const days = start === null || end === null || end < start ? null : { start, end }
  const sessions: Sheet['sessions'] = []
  const events: Sheet['events'] = []
  const entries: Sheet['entries'] = []
  for (const answer of answers) {
    const indices = answer.events.map(({ number, name, session }) => {
      let at = sessions.findIndex((one) => one.name === session)
      if (at < 0) at = sessions.push({ name: session, date: sessionDay(session, days, MONTH_FIRST) }) - 1
      const known = events.findIndex((one) => one.number === number && one.name === name && one.session === at)
      return known >= 0 ? known : events.push({ number, name, session: at }) - 1
    })
    entries.push(...answer.entries.map((entry) => ({ ...entry, event: indices[entry.event] ?? 0 })))
  }
  if (entries.length === 0) throw unrecognised(byModel, 'the language model found no entries that are printed in it')
  return {
    parser: PARSER_VERSION,
    meet: {
      name: answers.find(({ meetName }) => meetName !== null)?.meetName ?? '',
      start: days?.start ?? null,
      end: days?.end ?? null,
      venue: null,
    },
    sessions,
    events,
    entries,
    unread: 0,
    unreadPages: [],
    byModel: { model: model.name, dropped: answers.reduce((sum, { dropped }) => sum + dropped, 0) },
  }
}

const unrecognised = ({ error }: ByModel, why: string) =>
  new MillraceError('UNRECOGNIZED_LAYOUT', `${error.replace(/\.$/, '')}; ${why}.`)
