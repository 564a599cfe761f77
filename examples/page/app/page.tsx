'use client'

import { useBatch } from 'millrace/react'
import { type FormEvent, useEffect, useState } from 'react'

export default function Page() {
  const [streamUrl, setStreamUrl] = useState<string | null>(null)
  // Kept for this tab, so that a reload goes on watching.
  useEffect(() => setStreamUrl(sessionStorage.getItem('streamUrl')), [])
  const { status, progress, endedJobs, totalJobs, jobs, error } = useBatch(streamUrl)

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const lines = String(new FormData(event.currentTarget).get('text')).split('\n')
    const answer = await fetch('/api/words', { method: 'POST', body: JSON.stringify({ lines }) })
    const { streamUrl } = await answer.json()
    sessionStorage.setItem('streamUrl', streamUrl)
    setStreamUrl(streamUrl)
  }

  return (
    <main>
      <form onSubmit={submit}>
        <textarea name="text" defaultValue={'one line\neach a job of its own\n'} />
        <button type="submit">Count</button>
      </form>
      {streamUrl !== null && (
        <section>
          <progress value={progress} /> <output>{`${status}: ${endedJobs} of ${totalJobs}`}</output>
          <ol>
            {jobs.map((job) => (
              <li key={job.jobId}>{job.status === 'failed' ? String(job.errorMessage) : JSON.stringify(job.result)}</li>
            ))}
          </ol>
        </section>
      )}
      {error !== null && <p role="alert">{error}</p>}
    </main>
  )
}
