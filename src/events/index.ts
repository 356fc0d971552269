/** The event log: envelope, catalogue, port, stores. The only door into this folder. */
export * from './backup/index.ts'
export * from './catalogue/index.ts'
export * from './copy/index.ts'
export * from './errors.ts'
export * from './event.ts'
export { factOf } from './fact.ts'
export { canonicalJson, expectedHash, GENESIS, seal } from './hash.ts'
export { newId } from './ids.ts'
export * from './store.ts'
export {
  addressOf,
  type EventStoreDB,
  type EventStoreDBOptions,
  openEventStoreDB,
} from './stores/eventstoredb/index.ts'
export { type MemoryStoreOptions, openMemoryStore } from './stores/memory/index.ts'
export * from './stores/sqlite/index.ts'
export * from './streams.ts'
export * from './task-status.ts'
export { type ChainBreak, type ChainFault, type ChainVerdict, ChainVerifier, verifyChain } from './verify.ts'
