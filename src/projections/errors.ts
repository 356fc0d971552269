/** What can go wrong on the read side, as classes with their facts. */
import type { Position } from '../events/index.ts'

export abstract class ProjectionError extends Error {
  abstract readonly code: string
  override get name(): string {
    return this.constructor.name
  }
}

/** The read models did not reach a position in time. The same question may be asked again. */
export class ReadModelBehind extends ProjectionError {
  readonly code = 'read-model-behind'
  readonly wanted: Position
  readonly actual: Position
  constructor(facts: { wanted: Position; actual: Position; timeoutMs: number }) {
    super(
      `The read models are at ${facts.actual} and did not reach ${facts.wanted} within ${facts.timeoutMs} ms. Try again.`,
    )
    this.wanted = facts.wanted
    this.actual = facts.actual
  }
}

/** An event that a read model cannot take in. It is tried again; until then the read models stay before it. */
export class PoisonEvent extends ProjectionError {
  readonly code = 'poison-event'
  readonly readModel: string
  readonly stream: string
  readonly type: string
  readonly position: Position
  constructor(facts: { readModel: string; stream: string; type: string; position: Position; cause: unknown }) {
    super(
      `The read model ${facts.readModel} cannot take in ${facts.type} of ${facts.stream} at position ${facts.position}: ` +
        `${facts.cause instanceof Error ? facts.cause.message : String(facts.cause)}`,
      { cause: facts.cause },
    )
    this.readModel = facts.readModel
    this.stream = facts.stream
    this.type = facts.type
    this.position = facts.position
  }
}

/** What a watch or a question is about is not there, or was deleted. */
export class WatchTargetMissing extends ProjectionError {
  readonly code = 'watch-target-missing'
  readonly topic: string
  readonly id: string
  constructor(facts: { topic: string; id: string }) {
    super(`There is no ${facts.topic} ${facts.id}, or it was deleted.`)
    this.topic = facts.topic
    this.id = facts.id
  }
}

/** A cursor that no page of this list gave. */
export class BadCursor extends ProjectionError {
  readonly code = 'bad-cursor'
  readonly cursor: string
  constructor(cursor: string) {
    super(`"${cursor}" is not a cursor of this list. Take it from a page's \`next\`, or leave it out.`)
    this.cursor = cursor
  }
}

/** There is no read model of this name. */
export class UnknownReadModel extends ProjectionError {
  readonly code = 'unknown-read-model'
  readonly readModel: string
  readonly known: readonly string[]
  constructor(facts: { name: string; known: readonly string[] }) {
    super(`There is no read model ${facts.name}. There are ${facts.known.join(', ')}.`)
    this.readModel = facts.name
    this.known = facts.known
  }
}

export class ReadModelsClosed extends ProjectionError {
  readonly code = 'read-models-closed'
  constructor() {
    super('The read models are closed.')
  }
}

/** The thread of the read models ended while it was asked. It is started again; ask again. */
export class ReadModelsUnavailable extends ProjectionError {
  readonly code = 'read-models-unavailable'
  constructor(cause: unknown) {
    super(
      `The thread of the read models stopped and is started again: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}
