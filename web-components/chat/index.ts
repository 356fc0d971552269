/** The door of the chat. */
export { CapsuleChat, type Suggestion } from './chat.ts'
export { ChatMemory, pageStorage } from './memory.ts'
