/** Names, owners and nodes as small integers: a job's row has the number, a table of its own the word. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { maybeInt } from '../columns.ts'

const MOST_REMEMBERED = 10_000

export class Words {
  readonly #numbers = new Map<string, number>()
  readonly #select: StatementSync
  readonly #insert: StatementSync

  constructor(db: DatabaseSync, table: string) {
    this.#select = db.prepare(`SELECT n FROM ${table} WHERE word = ?`)
    this.#insert = db.prepare(`INSERT INTO ${table} (word) VALUES (?)`)
  }

  /** A word that is new gets the next number. */
  numberOf(word: string): number {
    const known = this.#numbers.get(word)
    if (known !== undefined) return known
    if (this.#numbers.size >= MOST_REMEMBERED) this.#numbers.clear()
    const n = maybeInt(this.#select.get(word)?.n) ?? Number(this.#insert.run(word).lastInsertRowid)
    this.#numbers.set(word, n)
    return n
  }

  forget(): void {
    this.#numbers.clear()
  }
}
