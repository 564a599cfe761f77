/** Compute task that converts a workbook to CSV. On Node it runs in a child process, for it takes seconds and its bytes are untrusted. */
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import type { ComputeTask } from '../../../ports.ts'
import { readWorkbook } from './read-workbook.ts'

const Input = z.object({ bytes: z.instanceof(Uint8Array), columns: z.array(z.tuple([z.string(), z.string()])) })

/** Result of the task. */
export const Facts = z.object({
  header: z.object({ fields: z.array(z.string()), printed: z.array(z.string()) }),
  sheet: z.string(),
  warnings: z.array(z.string()),
})

/** Bytes of CSV in one report. */
const REPORT_BYTES = 256 * 1024

/**
 * Takes `{bytes, columns}`, reports the CSV as Uint8Arrays and returns the {@link Facts}.
 * @throws MillraceError as `readWorkbook` does
 */
const workbookTask: ComputeTask = async (input, ctx) => {
  const given = Input.safeParse(input)
  if (!given.success) throw new MillraceError('UNKNOWN', 'The reader of workbooks was given no workbook.')
  const { bytes, columns } = given.data
  const read = async (offset: number, length: number) =>
    new Blob([Uint8Array.from(bytes.subarray(offset, offset + length))]).stream()
  const csv = readWorkbook({ size: bytes.byteLength, read }, new Map(columns))
  let waiting: Uint8Array[] = []
  let size = 0
  const report = () => {
    if (size > 0) ctx.progress(concatenate(waiting, size))
    waiting = []
    size = 0
  }
  for (;;) {
    const { done, value } = await csv.next()
    if (done) {
      report()
      return value
    }
    waiting.push(value)
    size += value.byteLength
    if (size >= REPORT_BYTES) report()
  }
}

function concatenate(parts: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.byteLength
  }
  return all
}

export default workbookTask
