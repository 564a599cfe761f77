/** Columns of JSON that operations and callers bring: its numbers are read as they were written. */
import { customType } from 'drizzle-orm/sqlite-core'
import { parseLossless } from '../lossless-json.ts'

/** A column of any JSON. */
export const jsonColumn = customType<{ data: unknown; driverData: string }>({
  dataType: () => 'text',
  toDriver: (value) => JSON.stringify(value),
  fromDriver: parseLossless,
})

/** A column of JSON objects. */
export const jsonObjectColumn = customType<{ data: Readonly<Record<string, unknown>>; driverData: string }>({
  dataType: () => 'text',
  toDriver: (value) => JSON.stringify(value),
  fromDriver: (text) => Object.fromEntries(Object.entries(Object(parseLossless(text)))),
})
