/** The door of the task card, and of the detail it and the board open. */
export { CapsuleTaskCard, openDetail } from './task-card.ts'
