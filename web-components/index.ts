/** The bundle: importing it registers every element. Parts that few pages need at once are loaded when used. */
import { whenUsed } from './when-used.ts'

export type { CapsuleApp } from './app/index.ts'
export { CapsuleChat } from './chat/index.ts'
export { connect, disconnect, ProblemError, signIn } from './client/index.ts'
export type { CapsulePage } from './page/index.ts'
export type { CapsuleSchedules } from './schedules/index.ts'
export { CapsuleTaskBoard } from './task-board/index.ts'
export { CapsuleTaskCard } from './task-card/index.ts'
export { load } from './when-used.ts'

whenUsed('capsule-app', () => import('./app/index.ts'))
whenUsed('capsule-page', () => import('./page/index.ts'))
whenUsed('capsule-schedules', () => import('./schedules/index.ts'))
