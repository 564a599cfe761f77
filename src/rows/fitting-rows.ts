/** Reads rows by id as far as one answer, which is made in memory, has room for them. */
import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { yieldToEventLoop } from '../formats/event-loop.ts'
import type { Compute } from '../ports.ts'

/** Room for rows in one answer. */
export interface AnswerRoom {
  readonly bytes: number
  /** Bytes that each value of a row counts for beside those of its text, whose number its commas estimate. */
  readonly bytesAValue: number
}

/** Room in an answer that a process of its own makes. A value takes some 70 bytes while the answer is made, however short its text. */
export const PROCESS_ROOM: AnswerRoom = { bytes: 64_000_000, bytesAValue: 20 }

/**
 * Room in an answer of a Worker, whose isolate has 128 MB for all requests that it is at: there each row is a text, its values, a part of the
 * answer and of what is hashed and sent of it.
 */
const ISOLATE_ROOM: AnswerRoom = { bytes: 8_000_000, bytesAValue: 20 }

/** Returns the room that an answer has on this runtime. */
export function answerRoom({ sharesServerMemory }: Pick<Compute, 'sharesServerMemory'>): AnswerRoom {
  return sharesServerMemory === true ? ISOLATE_ROOM : PROCESS_ROOM
}

/** Says that an answer is full. @param what is in it: `cards` */
export function sayFull(room: AnswerRoom, what: string) {
  const error = `The answer is full, at ${room.bytes / 1e6} MB of ${what}: ask for this one in another request`
  return { error, status: 503 as const }
}

/** SQL for the room that a column of text takes. */
export function roomOf(text: SQLWrapper, { bytesAValue }: AnswerRoom): SQL<number> {
  // The bytes of a text are known without reading it.
  if (bytesAValue === 0) return sql`octet_length(${text})`
  return sql`(octet_length(${text}) + ${bytesAValue} * (length(${text}) - length(replace(${text}, ',', ''))))`
}

/** Ids of one look-up, and bytes that one query reads. */
const LOOKUP_IDS = 1_000
const READ_BYTES = 4_000_000

/** Rows that may be larger together than an answer. */
export interface SizedRows<T> {
  /** Bytes that one row may have. */
  readonly maxBytes: number
  /** Reads the room that those take which there are, by id. */
  sizesOf(ids: readonly string[]): Promise<ReadonlyMap<string, number>>
  read(ids: readonly string[]): Promise<ReadonlyMap<string, T>>
  /** Stands for a row that has no room. */
  readonly full: T
}

/** Looks rows up, the first ones of `ids` first. Unknown ids are left out. */
export async function readFitting<T>(
  ids: readonly string[],
  rows: SizedRows<T>,
  { bytes }: AnswerRoom,
): Promise<ReadonlyMap<string, T>> {
  if (ids.length * rows.maxBytes <= bytes) return rows.read(ids)
  const found = new Map<string, T>()
  let room = bytes
  let group: string[] = []
  let groupBytes = 0
  const readGroup = async () => {
    for (const one of await rows.read(group)) found.set(...one)
    group = []
    groupBytes = 0
    await yieldToEventLoop()
  }
  const wanted = [...new Set(ids)]
  for (let at = 0; at < wanted.length; at += LOOKUP_IDS) {
    const page = wanted.slice(at, at + LOOKUP_IDS)
    const sizes = await rows.sizesOf(page)
    for (const id of page) {
      const bytes = sizes.get(id)
      if (bytes === undefined) continue
      if (bytes > room) {
        found.set(id, rows.full)
        continue
      }
      room -= bytes
      group.push(id)
      groupBytes += bytes
      if (groupBytes >= READ_BYTES) await readGroup()
    }
    await readGroup()
  }
  return found
}
