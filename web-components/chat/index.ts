/** The door of the chat. */
export { CapsuleChat } from './chat.ts'
export { ChatMemory, pageStorage } from './memory.ts'
