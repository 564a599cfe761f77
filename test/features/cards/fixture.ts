/** A server for the card tests of a file. */
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { startServer, type TestServer } from '../../support/server.ts'
import { CardClient, KEYED, keyOf } from './client.ts'

/** Starts a server before the tests of the file and gives each test the client of an owner of its own. */
export function serveCards() {
  let server: TestServer
  let client: CardClient
  let owner = ''
  let owners = 0
  beforeAll(async () => {
    server = await startServer({ env: KEYED })
  })
  afterAll(() => server[Symbol.asyncDispose]())
  beforeEach(async () => {
    owner = `owner-${++owners}`
    client = new CardClient(server, await keyOf(owner))
  })
  return {
    get server() {
      return server
    },
    /** The client of this test's owner. */
    get client() {
      return client
    },
    get owner() {
      return owner
    },
  }
}
