/** capsule-actors/testing: runs an app in memory, with a clock that the test moves. */
export { ManualClock } from '../actors/index.ts'
export type { RecordedEvent } from '../events/index.ts'
export { type As, TestClient } from './client.ts'
export type { CrashPoint } from './leash.ts'
export { type Problem, TestApp, type TestOptions, testApp } from './test-app.ts'
