/** The suite of every Database, on a libSQL file. What only that driver does is in db-libsql.test.ts. */
import { databaseContract } from '../contracts/database.ts'
import { openPlatform } from '../support/platform.ts'

databaseContract('A libSQL file', async () => {
  const { db, close } = await openPlatform()
  return { db, dispose: close }
})
