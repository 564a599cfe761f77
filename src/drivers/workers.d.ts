/** Globals and modules of Cloudflare's runtime that the drivers name; everything else they import as types, since the two sets of globals clash. */
import type { WebSocket as WorkerWebSocket } from '@cloudflare/workers-types'

declare global {
  var WebSocketPair: new () => { readonly 0: WorkerWebSocket; readonly 1: WorkerWebSocket }
  var WebSocketRequestResponsePair: new (
    request: string,
    response: string,
  ) => import('@cloudflare/workers-types').WebSocketRequestResponsePair
  interface ResponseInit {
    webSocket?: WorkerWebSocket
  }
}
