/**
 * What clients send and get, as zod schemas: requests are checked by them, and the OpenAPI document is made of them. Each that
 * the pages know too is held to its type in wire.ts.
 */
export * from './audit.ts'
export * from './board.ts'
export * from './job-filter.ts'
export * from './jobs.ts'
export * from './locks.ts'
export * from './pages.ts'
export * from './problem.ts'
export * from './queries.ts'
export * from './schedules.ts'
export * from './sessions.ts'
export * from './submits.ts'
export * from './system.ts'
export * from './tasks.ts'
export * from './values.ts'
