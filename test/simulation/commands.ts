/** Random commands, as people and other services give them: to anything there is, at any time, and some of them twice. */
import type { Caller, Engine } from '../../src/app/index.ts'
import type { Random } from './random.ts'
import { type Behaviour, SCHEDULES, TASKS, type TaskName } from './simulated-app.ts'

export interface Command {
  readonly name: string
  readonly commandId: string
  /** What it is about. */
  readonly id: string
  give(engine: Engine): Promise<unknown>
}

const OWNERS = ['ann', 'bob']
const SESSIONS = ['s1', 's2']
const KEYS = ['x', 'y']

export class Commands {
  readonly #random: Random
  readonly #tasks: string[] = []
  readonly #messages: { readonly sessionId: string; readonly messageId: string }[] = []
  readonly #given: Command[] = []
  /** Answers by command id. */
  readonly #answers = new Map<string, string>()
  #count = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(): Command {
    const random = this.#random
    // The answer was lost on the way, say.
    if (this.#given.length > 0 && random.chance(0.08)) return random.pick(this.#given.slice(-6))
    const command = this.#make()
    this.#given.push(command)
    return command
  }

  /** Let all that waits for an operator go on, and schedule nothing more. */
  last(scheduled: boolean): Command[] {
    return [
      ...Object.keys(TASKS).map((name) => this.#onTaskName('resume task', name)),
      ...(scheduled ? Object.keys(SCHEDULES).map((name) => this.#onSchedule('pause', name)) : []),
    ]
  }

  /** Takes note of an answer. @returns what is wrong with it */
  answered(command: Command, answer: unknown): string[] {
    const { name, commandId, id } = command
    if (name === 'submit' && isSubmitted(answer)) {
      this.#tasks.push(answer.taskId)
      const text = `${answer.taskId}`
      const before = this.#answers.get(commandId)
      this.#answers.set(commandId, text)
      if (before !== undefined && before !== text)
        return [`the repeated submit ${commandId} made ${text}, not ${before}`]
    }
    if (name === 'say' || name === 'retry message') this.#messages.push({ sessionId: id, messageId: commandId })
    return []
  }

  #make(): Command {
    const random = this.#random
    const kinds: [number, () => Command][] = [
      [10, () => this.#submit()],
      [3, () => this.#say()],
      [1, () => this.#createSession()],
      [1, () => this.#onSession('stop turn')],
      [0.5, () => this.#onTaskName(random.pick(['pause task', 'resume task']), random.pick(Object.keys(TASKS)))],
      [0.5, () => this.#onSchedule(random.pick(['trigger', 'pause', 'resume']), random.pick(Object.keys(SCHEDULES)))],
    ]
    if (this.#tasks.length > 0) kinds.push([5, () => this.#onTask()])
    if (this.#messages.length > 0) kinds.push([1, () => this.#retryMessage()])
    return random.weighted(kinds)()
  }

  #caller(): { caller: Caller; commandId: string } {
    const ownerId = this.#random.pick(OWNERS)
    const commandId = `c${++this.#count}`
    return { caller: { by: `user:${ownerId}`, ownerId, commandId }, commandId }
  }

  #submit(): Command {
    const random = this.#random
    const { caller, commandId } = this.#caller()
    const name = random.pick(Object.keys(TASKS) as TaskName[])
    const params = this.#behaviour('timeout' in TASKS[name])
    const request = {
      name,
      params,
      ...(random.chance(0.3) ? { delay: random.between(0, 30) } : {}),
      ...(random.chance(0.2) ? { priority: random.between(-1, 2) } : {}),
      ...(random.chance(0.3) ? { idempotencyKey: random.pick(['k1', 'k2', 'k3']) } : {}),
      ...(random.chance(0.3) ? { sessionId: random.pick(SESSIONS) } : {}),
    }
    const id = `${name} ${JSON.stringify(request)}`
    return { name: 'submit', commandId, id, give: (engine) => engine.submit(request, caller) }
  }

  /** `ends`: something will stop the task, whatever its handler does. */
  #behaviour(ends: boolean): Behaviour {
    const random = this.#random
    const does = random.weighted<Behaviour['does']>([
      [8, 'succeed'],
      [4, 'fail'],
      [2, 'throw'],
      [1, 'give up'],
      [2, 'deaf'],
      [ends ? 1 : 0, 'block'],
      [ends ? 1 : 0, 'hang'],
    ])
    return {
      does,
      ms: random.pick([0, 0, 10, 1000, 4000]),
      times: random.between(0, 4),
      talks: random.chance(0.3),
      child: random.chance(0.1),
      key: random.pick(KEYS),
    }
  }

  #onTask(): Command {
    const random = this.#random
    const { caller, commandId } = this.#caller()
    const id = random.chance(0.7) ? random.pick(this.#tasks.slice(-5)) : random.pick(this.#tasks)
    const name = random.weighted([
      [4, 'cancel'],
      [3, 'retry'],
      [1, 'refresh'],
      [1, 'delete'],
    ])
    const give = (engine: Engine): Promise<unknown> => {
      switch (name) {
        case 'cancel':
          return engine.cancelJob(id, caller)
        case 'retry':
          return engine.retryJob(id, caller)
        case 'refresh':
          return engine.refreshJob(id, caller)
        default:
          return engine.deleteJob(id, caller)
      }
    }
    return { name, commandId, id, give }
  }

  #onTaskName(name: 'pause task' | 'resume task', id: string): Command {
    const { caller, commandId } = this.#caller()
    const give = (engine: Engine) =>
      name === 'pause task' ? engine.pauseTask(id, caller) : engine.resumeTask(id, caller)
    return { name, commandId, id, give }
  }

  #say(): Command {
    const { caller, commandId } = this.#caller()
    const sessionId = this.#random.pick(SESSIONS)
    const text = JSON.stringify(this.#behaviour(true))
    const give = (engine: Engine) => engine.sendMessage(sessionId, { text, create: true }, caller)
    return { name: 'say', commandId, id: sessionId, give }
  }

  #createSession(): Command {
    const { caller, commandId } = this.#caller()
    const id = this.#random.pick(SESSIONS)
    return { name: 'create session', commandId, id, give: (engine) => engine.createSession(caller, { id }) }
  }

  #onSession(name: 'stop turn'): Command {
    const { caller, commandId } = this.#caller()
    const id = this.#random.pick(SESSIONS)
    return { name, commandId, id, give: (engine) => engine.stopTurn(id, caller) }
  }

  #retryMessage(): Command {
    const { caller, commandId } = this.#caller()
    const { sessionId, messageId } = this.#random.pick(this.#messages)
    const give = (engine: Engine) => engine.retryMessage(sessionId, messageId, caller)
    return { name: 'retry message', commandId, id: sessionId, give }
  }

  #onSchedule(name: 'trigger' | 'pause' | 'resume', id: string): Command {
    const { caller, commandId } = this.#caller()
    const give = (engine: Engine): Promise<unknown> => {
      if (name === 'trigger') return engine.triggerSchedule(id, caller)
      return name === 'pause' ? engine.pauseSchedule(id, caller) : engine.resumeSchedule(id, caller)
    }
    return { name, commandId, id, give }
  }
}

function isSubmitted(answer: unknown): answer is { readonly taskId: string; readonly joined: boolean } {
  return typeof answer === 'object' && answer !== null && 'taskId' in answer && typeof answer.taskId === 'string'
}
