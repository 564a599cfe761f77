/** Compute task that reads a document into blocks, in isolation because it is CPU-heavy and its bytes are untrusted. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { ComputeTask } from '../../ports.ts'
import { readDocument } from './read/read-document.ts'

const Input = z.object({
  bytes: z.instanceof(Uint8Array),
  filename: z.string(),
  contentType: z.string().optional(),
})

/**
 * Takes `{bytes, filename, contentType?}`, of which the bytes are transferred. Returns the ReadDocument. Reports `{page, pages}` after each page of a PDF.
 * @throws MillraceError as `readDocument` does
 */
const readTask: ComputeTask = async (input, ctx) => {
  const given = Input.safeParse(input)
  if (!given.success) throw new MillraceError('UNKNOWN', 'The document reader was given no document.')
  const { bytes, filename, contentType } = given.data
  return await readDocument(bytes, {
    filename,
    ...(contentType === undefined ? {} : { contentType }),
    onPage: (page, pages) => ctx.progress({ page, pages }),
  })
}

export default readTask
