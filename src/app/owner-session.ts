/** The session of a handler without a conversation: it knows whose the work is, and refuses to talk. */
import { CommandRefused } from '../actors/index.ts'
import type { ReplyWriter, Said, Session, SessionData, User } from './session.ts'

/** The session of scheduled work: it has an owner, and nobody to talk to. */
export class OwnerSession implements Session {
  readonly id = undefined
  readonly user: User
  readonly data: SessionData

  constructor(user: User) {
    this.user = user
    const none = (): Promise<never> => noChat('data')
    this.data = { get: none, set: none, delete: none, all: none }
  }

  reply = (): Promise<never> => noChat('reply')
  notify = (): Promise<never> => noChat('notify')
  streamReply = (): ReplyWriter => {
    const none = (): Promise<never> => noChat('streamReply')
    return { write: none, end: async () => {}, [Symbol.asyncDispose]: async () => {} }
  }
  show = (): Promise<never> => noChat('show')
  showTask = (): Promise<never> => noChat('showTask')
  showImage = (): Promise<never> => noChat('showImage')
  setTitle = (): Promise<never> => noChat('setTitle')
  history = async (): Promise<readonly Said[]> => []
}

function noChat(method: string): Promise<never> {
  return Promise.reject(
    new CommandRefused(
      method,
      `${method}() needs a conversation, and scheduled work has none. Submit a task with a session, or log instead.`,
    ),
  )
}
