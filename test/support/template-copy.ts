/** Copies of the database that test/support/template-database.ts made. Imports nothing of the source, which most suites of servers do without. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'

export const MIGRATIONS = join(import.meta.dirname, '..', '..', 'drizzle')

/** Puts the empty database that the run has made into a folder; without one, opening the folder's database makes it. */
export async function copyTemplateDatabase(folder: string): Promise<void> {
  const { TEMPLATE_DATABASE } = process.env
  if (TEMPLATE_DATABASE !== undefined) await copyFile(TEMPLATE_DATABASE, join(folder, 'millrace.db'))
}
