/** Binds the ports that owners share to the owner of a job, so that no operation can forget whose share it uses, or name another's. */
import type { Compute, Fetcher } from '../../ports.ts'

/** @returns the same ports, each call counted against `owner` */
export function portsOfOwner(
  ports: { readonly fetcher: Fetcher; readonly compute: Compute },
  owner: string,
): { readonly fetcher: Fetcher; readonly compute: Compute } {
  const { fetcher, compute } = ports
  return {
    fetcher: {
      fetch: (url, options) => fetcher.fetch(url, { ...options, owner }),
      send: (url, message) => fetcher.send(url, { ...message, owner }),
    },
    compute: {
      ...(compute.sharesServerMemory === undefined ? {} : { sharesServerMemory: compute.sharesServerMemory }),
      documentCpuMs: compute.documentCpuMs,
      run: (task, input, options) => compute.run(task, input, { ...options, owner }),
      withSlot: (work, options) => compute.withSlot(work, { ...options, owner }),
    },
  }
}
