/** The event log: envelope, catalogue, port, stores. The only door into this folder. */
export * from './catalogue/index.ts'
export * from './errors.ts'
export * from './event.ts'
export { canonicalJson, expectedHash, GENESIS, seal } from './hash.ts'
export * from './store.ts'
export { type MemoryStoreOptions, openMemoryStore } from './stores/memory/index.ts'
export * from './stores/sqlite/index.ts'
export * from './streams.ts'
