/** Archives: where streams go that leave the log. */
export { lineOf } from './line.ts'
export { type CopyFault, verifyCopy } from './verify.ts'
export { ArchiveWriter, openArchive } from './writer.ts'
