export type { Blobs, Stored } from './blobs.js'
export { DirectoryBlobs } from './directory.js'
export { MemoryBlobs } from './memory.js'
