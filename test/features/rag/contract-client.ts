/** The client that the contract prints, as it is printed, but for its types and for the address that it has in its code. */

/** @param socketBase stands for the `ws://localhost:8000` of the print */
export function contractClient(baseUrl: string, apiKey: string, socketBase = baseUrl.replace(/^http/, 'ws')) {
  const headers = { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' }
  return {
    async startProcessing(config: unknown): Promise<Record<string, unknown>> {
      const response = await fetch(`${baseUrl}/api/public/bulk/process`, {
        method: 'POST',
        headers,
        body: JSON.stringify(config),
      })
      if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`)
      return response.json()
    },
    connectToProgress(jobId: string, onUpdate: (data: Record<string, unknown>) => void): WebSocket {
      const ws = new WebSocket(`${socketBase}/api/public/bulk/ws/bulk-processing/${jobId}`)
      ws.onmessage = (event) => onUpdate(JSON.parse(String(event.data)))
      return ws
    },
    async exportResults(jobId: string, format: string): Promise<Record<string, unknown>> {
      const response = await fetch(`${baseUrl}/api/public/bulk/export`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ job_id: jobId, format, export_id: `export-${Date.now()}` }),
      })
      return response.json()
    },
  }
}
