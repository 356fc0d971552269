/** Actors: machines, their deciders, and the system that runs them against the log. The only door into this folder. */
export * from './audit/index.ts'
export { type Clock, ManualClock, settled, systemClock, type Timer } from './clock.ts'
export * from './errors.ts'
export type { ActorKind, State } from './kind.ts'
export * from './limit/index.ts'
export * from './lock/index.ts'
export { isRefusal, unlessRefused } from './refusal.ts'
export { type Replayed, Replayer } from './replay.ts'
export type { Report } from './report.ts'
export * from './schedule/index.ts'
export * from './session/index.ts'
export * from './setting/index.ts'
export { MemorySnapshots, openSqliteSnapshots, type Snapshot, type SnapshotStore } from './snapshots/index.ts'
export {
  ActorSystem,
  type ActorSystemOptions,
  type AppliedFact,
  type Origin,
  type Outcome,
} from './system.ts'
export * from './task/index.ts'
