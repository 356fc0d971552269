/** The door of the board. */
export { CapsuleTaskBoard } from './task-board.ts'
