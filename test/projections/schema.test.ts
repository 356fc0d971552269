/**
 * A read.db that older code made is taken as it is when the versions of its read models are the same. So whoever changes
 * a table, however it is made, must raise that model's version; this test notices.
 */
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { text } from '../../src/projections/columns.ts'
import { READ_MODELS } from '../../src/projections/models/all.ts'
import type { ReadModel } from '../../src/projections/read-model.ts'

/** By read model: its version, and the digest of its tables and indexes as of that version. */
const PINNED: Readonly<Record<string, readonly [version: number, digest: string]>> = {
  jobs: [4, '667725fff233e8fd'],
  locks: [2, '1dedbe3e82491788'],
  owed: [2, '06e51d83f2bbf16c'],
  schedules: [1, '5b92a2019117e029'],
  sessions: [5, '72ce70bead2af847'],
}

test.each(READ_MODELS.map((model) => [model.name, model] as const))(
  'the tables of %s are those of its version',
  (name, model) => {
    const now = digestOf(model)
    expect(
      [model.version, now],
      `The tables of ${name} have changed. Raise its version, so that they are made again from the log, and pin them ` +
        `here: ${name}: [${model.version}, '${now}']`,
    ).toEqual(PINNED[name])
  },
)

/** Of what SQLite has made of it, whatever the layout of the SQL. */
function digestOf(model: ReadModel): string {
  const db = new DatabaseSync(':memory:')
  db.exec(model.tables)
  const made = db.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name').all()
  const sql = made.map((row) => text(row.sql).replace(/\s+/g, ' '))
  return createHash('sha256').update(sql.join('\n')).digest('hex').slice(0, 16)
}
