/** Archives: where streams go that leave the log. */
export { lineOf } from './line.ts'
export { type CopyBreak, type CopyFault, verifyCopy } from './verify.ts'
export { type ArchiveOptions, ArchiveWriter, openArchive } from './writer.ts'
