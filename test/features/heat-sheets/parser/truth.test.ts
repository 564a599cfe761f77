/**
 * The parser against real sheets and the truth typed by hand for them. They name real children and stay outside the
 * project: HEAT_SHEETS_DIR says where they are; without it this file is skipped.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { MillraceError } from '../../../../src/errors.ts'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { readSheet } from '../../../../src/features/heat-sheets/parser/parse.ts'
import { Sheet, type SheetEntry } from '../../../../src/features/heat-sheets/parser/sheet.ts'
import type { SwimEvent } from '../../../../src/features/heat-sheets/schemas.ts'
import { readPdfText, type TextPage } from '../../../../src/formats/pdf-text.ts'

const dir = process.env.HEAT_SHEETS_DIR ?? ''
const there = dir !== '' && existsSync(join(dir, 'manifest.json'))
if (!there) console.info('HEAT_SHEETS_DIR is not set: the real sheets are not read.')

const TruthEvent = z.object({
  eventNumber: z.int(),
  eventName: z.string(),
  heat: z.int().nullable(),
  lane: z.int().nullable(),
  seedTime: z.string(),
  rank: z.int().optional(),
  alternate: z.int().optional(),
  round: z.string().optional(),
  team: z.string().optional(),
  age: z.int().optional(),
  grade: z.string().optional(),
  heatStartTime: z.string().optional(),
  relay: z.object({ team: z.string(), letter: z.string(), leg: z.int() }).optional(),
})
type TruthEvent = z.infer<typeof TruthEvent>

const Truth = z.object({
  pdf: z.string(),
  meet: z.object({ meetName: z.string(), start: z.string(), end: z.string(), session: z.string() }),
  swimmers: z.array(z.object({ swimmer: z.string(), printedAs: z.string().optional(), events: z.array(TruthEvent) })),
})

const Manifest = z.array(z.object({ file: z.string(), kind: z.string() }))

async function pagesOf(file: string): Promise<TextPage[]> {
  const pages: TextPage[] = []
  for await (const { page } of readPdfText(await readFile(join(dir, 'pdfs', file)))) pages.push(page)
  return pages
}

async function json(path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(dir, path), 'utf8'))
}

function isSame(truth: TruthEvent, found: SwimEvent): boolean {
  return (
    truth.eventNumber === found.eventNumber &&
    truth.heat === found.heatNumber &&
    truth.lane === found.lane &&
    truth.seedTime === found.seedTime
  )
}

/** The fields that the truth has, as the truth and as the extraction say them. */
function fields(truth: TruthEvent, found: SwimEvent): (readonly [unknown, unknown])[] {
  const pairs: (readonly [unknown, unknown])[] = [
    [truth.team, found.team],
    [truth.age, found.age],
    [truth.grade, found.grade],
    [truth.rank, found.rank],
    [truth.alternate, found.alternate],
    [truth.round, found.round],
    [truth.heatStartTime, found.heatStartTime],
    [truth.eventName, found.eventName],
    [truth.relay?.team, found.relay?.team],
    [truth.relay?.letter, found.relay?.letter],
    [truth.relay?.leg, found.relay?.leg],
  ]
  return pairs.filter(([one]) => one !== undefined)
}

/** What is wrong, told by number only: names of children do not belong into a test's output. */
function structureOf(sheet: Sheet): string[] {
  const wrong: string[] = []
  for (const [i, { number }] of sheet.events.entries()) {
    const entries = sheet.entries.filter(({ event }) => event === i)
    const heats = [...new Set(entries.flatMap(({ heat }) => heat ?? []))].toSorted((a, b) => a - b)
    if (heats.some((heat, at) => heat !== at + 1)) wrong.push(`event ${number}: heats ${heats.join()}`)
    const lanes = entries.filter(({ heat }) => heat).map((e) => `${e.heat}/${e.lane}/${e.relay?.leg ?? ''}`)
    if (new Set(lanes).size < lanes.length) wrong.push(`event ${number}: two in one lane`)
    if (!hasAllRanks(entries.filter(({ relay }) => !relay))) wrong.push(`event ${number}: a rank is missing`)
  }
  return wrong
}

/** Ranks count up by one, or stay and then jump by how many were tied. */
function hasAllRanks(entries: readonly SheetEntry[]): boolean {
  const ranks = entries.flatMap(({ rank }) => rank ?? [])
  return ranks.every((rank, i) => rank === i + 1 || rank === ranks[i - 1])
}

describe.skipIf(!there)('real sheets', async () => {
  const truths = there ? await readdir(join(dir, 'truth')) : []
  const manifest = there ? Manifest.parse(await json('manifest.json')) : []

  it.each(truths)('finds every event of %s, and no other', async (file) => {
    const truth = Truth.parse(await json(join('truth', file)))
    const { sheet } = readSheet(await pagesOf(truth.pdf))
    expect(Sheet.parse(JSON.parse(JSON.stringify(sheet)))).toEqual(sheet)
    expect(sheet.meet).toMatchObject({ name: truth.meet.meetName, start: truth.meet.start, end: truth.meet.end })
    expect(sheet.sessions.map(({ name }) => name)).toEqual([truth.meet.session])
    for (const { swimmer, printedAs, events } of truth.swimmers) {
      for (const name of [swimmer, printedAs ?? swimmer, swimmer.toUpperCase()]) {
        const found = findSwimmer(sheet, name)
        const pairs = events.map((event) => [event, found.events.find((one) => isSame(event, one))] as const)
        expect(pairs.filter(([, one]) => one === undefined)).toEqual([])
        expect(found.events).toHaveLength(events.length)
        expect(found.warnings.length).toBeLessThanOrEqual(1)
        const said = pairs.flatMap(([event, one]) => (one ? fields(event, one) : []))
        expect(said.map(([, one]) => one)).toEqual(said.map(([one]) => one))
      }
    }
  })

  const sheets = manifest.filter(({ kind }) => kind === 'heat' || kind === 'psych').map(({ file }) => file)
  it.each(sheets)('places every row of %s', async (file) => {
    const { sheet, reading } = readSheet(await pagesOf(file))
    expect(reading.leftovers).toEqual([])
    expect(structureOf(sheet)).toEqual([])
    expect(reading.incomplete).toEqual([])
    expect(sheet.entries.filter(({ name, team, seed }) => !name.includes(',') || !team || !seed)).toEqual([])
  })

  const refusals: [RegExp, string][] = [
    [/negative/, 'NOT_A_HEAT_SHEET'],
    [/NOT HY-TEK/, 'UNRECOGNIZED_LAYOUT'],
  ]
  const refused = manifest.flatMap(({ file, kind }) =>
    refusals.filter(([is]) => is.test(kind)).map(([, code]) => ({ file, code })),
  )
  it.each(refused)('refuses $file as $code', async ({ file, code }) => {
    const pages = await pagesOf(file)
    expect(() => readSheet(pages)).toThrow(expect.objectContaining({ code }))
    expect(() => readSheet(pages)).toThrow(MillraceError)
  })
})
