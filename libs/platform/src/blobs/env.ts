import { kind, type Values } from '../config/index.js'
import { DirectoryBlobs } from './directory.js'

/** Where the object store is. */
export const blobsShape = {
  BLOBS_DIRECTORY: kind.text().describe('a folder all services share, on a POSIX file system'),
}

export const openBlobs = (env: Values<typeof blobsShape>): DirectoryBlobs => new DirectoryBlobs(env.BLOBS_DIRECTORY)
