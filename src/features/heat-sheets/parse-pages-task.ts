/** Compute task of the last step of a long document: parses the pages of all stretches into a sheet. */
import * as z from 'zod'
import { unpackPages } from '../../formats/text-pages.ts'
import type { ComputeTask } from '../../ports.ts'
import { parseSheet } from './parser/parse.ts'

const Input = z.object({ stretches: z.array(z.instanceof(Uint8Array)) })

/**
 * Takes `{stretches}`, packed pages in their order. Returns the Sheet.
 * @throws MillraceError NO_TEXT, NOT_A_HEAT_SHEET, UNRECOGNIZED_LAYOUT, TOO_LARGE
 */
const parsePagesTask: ComputeTask = async (input) => parseSheet(Input.parse(input).stretches.flatMap(unpackPages))

export default parsePagesTask
