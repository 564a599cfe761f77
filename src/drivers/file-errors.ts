/** Sentences for errors of the file system that end a start: which path, what is wrong with it, and what to do. */
import { ConfigError } from '../config.ts'

/** Reasons by the code of the error (errno(3)), each after the path. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'may not be read and written by the user that Millrace runs as. Give it to that user (chown)',
  EPERM: 'may not be read and written by the user that Millrace runs as. Give it to that user (chown)',
  EISDIR: 'is a folder where a file should be. Move it away',
  ENOTDIR: 'leads through a file where a folder should be. Move that file away',
  EEXIST: 'is a file where a folder should be. Move it away',
  ELOOP: 'leads through symbolic links that end nowhere. Remove them',
  ENOENT: "can't be made or found, because a folder on the way to it is missing. Make that folder",
  ENAMETOOLONG: 'is longer than the file system allows. Shorten it',
  EROFS: 'is on a file system that is read-only. Mount it for writing',
}

/**
 * Explains an error of the file system that names a path.
 * @returns null for every other error, full disks and devices that fail among them
 */
export function explainFileError(error: unknown): ConfigError | null {
  if (!(error instanceof Error && 'code' in error && 'path' in error)) return null
  const reason = REASONS[String(error.code)]
  return reason === undefined
    ? null
    : new ConfigError(`${error.path} ${reason}, or name another DATA_DIR or DATABASE_URL.`)
}
