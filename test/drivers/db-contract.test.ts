/** The suite of every Database, on a libSQL file. What only that driver does is in db-libsql.test.ts. */
import { databaseContract } from '../contracts/database.ts'
import { openHome } from '../engine/home.ts'

databaseContract('A libSQL file', async () => {
  const { db, close } = await openHome()
  return { db, dispose: close }
})
