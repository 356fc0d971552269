/** The bundle: importing it registers every element. Parts that few pages need at once are loaded when used. */
export { connect, disconnect, ProblemError, signIn } from './client/index.ts'
export { CapsuleTaskBoard } from './task-board/index.ts'
export { CapsuleTaskCard } from './task-card/index.ts'
