/** The statechart of the web components is drawn from a table of its own, for a page loads no machine: it must be the machine's. */
import { expect, test } from 'vitest'
import { taskMachine } from '../../src/actors/index.ts'
import { TRANSITIONS } from '../../web-components/task-card/path.ts'

test('the statechart draws the transitions of the task machine, all and no other', () => {
  const ofMachine = Object.values(taskMachine.states).flatMap((state) =>
    [...state.transitions.values()]
      .flat()
      .flatMap(({ eventType, target }) => (target ?? []).map((to) => `${state.key} ${eventType} ${to.key}`)),
  )
  expect(ofMachine.length).toBeGreaterThan(10)
  expect(TRANSITIONS.map(({ from, type, to }) => `${from} ${type} ${to}`).sort()).toEqual(ofMachine.sort())
})
