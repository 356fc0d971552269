/** The door of the schedules. */
export { CapsuleSchedules } from './schedules.ts'
