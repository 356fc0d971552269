/** The door of what all elements share: base class, icons, words, time, and the one voice of the page. */
export { announce } from './announce.ts'
export { CapsuleElement, define } from './base-element.ts'
export { blank } from './blank.styles.ts'
export { connectionState } from './connection-state.ts'
export * as format from './format.ts'
export { type IconName, icon, logo, pageIcon, statusIcon, strokes } from './icons.ts'
export * as jobs from './job.ts'
export { EverySecond, everySecond } from './ticker.ts'
