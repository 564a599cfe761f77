/** Binds the ports that owners share to the owner of a job, so that no operation can forget whose share it uses, or name another's. */
import type { BlobStore, Compute, Fetcher } from '../../ports.ts'
import { type PendingBytes, type StorageQuota, withPut } from '../storage-quota.ts'

/** The ports of one run of a job. */
export interface OwnerPorts {
  readonly fetcher: Fetcher
  readonly compute: Compute
  /** A put that is more than the owner may keep throws MillraceError QUOTA_EXCEEDED. */
  readonly blobs: BlobStore
}

/**
 * Makes the ports of a run.
 * @returns the same ports, each call counted against `owner`, and what to call when the run is over
 */
export function portsOfOwner(
  ports: OwnerPorts & { readonly quota?: StorageQuota },
  owner: string,
): { readonly ports: OwnerPorts; readonly release: () => void } {
  const { blobs, quota } = ports
  // Asked for only by runs that write: most write nothing.
  let pending: Promise<PendingBytes> | null = null
  const put: BlobStore['put'] = async (key, body) => {
    if (quota === undefined) return blobs.put(key, body)
    pending ??= quota.open(owner)
    return (await pending).count(blobs).put(key, body)
  }
  return {
    ports: { ...ownFetcherAndCompute(ports, owner), blobs: withPut(blobs, put) },
    release: () => void pending?.then((opened) => opened.release()).catch(() => {}),
  }
}

function ownFetcherAndCompute(
  ports: { readonly fetcher: Fetcher; readonly compute: Compute },
  owner: string,
): { readonly fetcher: Fetcher; readonly compute: Compute } {
  const { fetcher, compute } = ports
  return {
    fetcher: {
      fetch: (url, options) => fetcher.fetch(url, { ...options, owner }),
      send: (url, message) => fetcher.send(url, { ...message, owner }),
      request: (url, request) => fetcher.request(url, { ...request, owner }),
    },
    compute: {
      ...(compute.sharesServerMemory === undefined ? {} : { sharesServerMemory: compute.sharesServerMemory }),
      documentCpuMs: compute.documentCpuMs,
      run: (task, input, options) => compute.run(task, input, { ...options, owner }),
      withSlot: (work, options) => compute.withSlot(work, { ...options, owner }),
    },
  }
}
