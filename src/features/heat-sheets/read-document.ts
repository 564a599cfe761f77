/** Reads a document into a sheet: by the parser, and where that does not recognise the layout, by the server's language model. */
import { MillraceError } from '../../errors.ts'
import type { RunContext } from '../../operation.ts'
import { readByModel } from './by-model/read-by-model.ts'
import type { OpenedDocument } from './document.ts'
import { readInStages } from './parse-in-stages.ts'
import type { Sheet } from './parser/sheet.ts'
import type { Reading } from './reading.ts'

/**
 * Continues reading.
 * @param reading checkpoint of an earlier run
 * @returns the sheet; or the checkpoint of this run, for the next one
 * @throws MillraceError as the parser and the language model do
 */
export async function readDocument(
  ctx: RunContext,
  document: OpenedDocument,
  reading: Reading | null,
): Promise<{ sheet: Sheet } | { reading: Reading }> {
  const model = ctx.languageModel
  if (reading?.byModel && model !== null) return readByModel(ctx, model, document, reading, reading.byModel)
  try {
    return await readInStages(ctx, document, reading?.byModel ? null : reading)
  } catch (error) {
    if (model === null || !(error instanceof MillraceError) || error.code !== 'UNRECOGNIZED_LAYOUT') throw error
    await ctx.blobs.delete(reading?.stretches ?? [])
    const begin = { document: document.fetched, stretches: [], next: 1, letters: 0, pages: 1, begun: 0, cpuMs: 0 }
    return { reading: { ...begin, byModel: { error: error.message, under: null } } }
  }
}
