/** A route of the server: it keeps the key, and hands the page an address that opens this one batch. */
import { ApiError, createClient } from 'millrace/client'
import type { words } from '../../../operations.ts'

export async function POST(request: Request): Promise<Response> {
  const { lines }: { lines: string[] } = await request.json()
  const millrace = createClient({
    baseUrl: process.env.MILLRACE_URL ?? 'http://localhost:8000',
    apiKey: process.env.MILLRACE_API_KEY,
  })
  try {
    const { streamUrl } = await millrace.create<typeof words>(
      'words',
      lines.map((text) => ({ text })),
    )
    return Response.json({ streamUrl })
  } catch (error) {
    if (error instanceof ApiError) return Response.json({ error: error.message }, { status: 502 })
    throw error
  }
}
