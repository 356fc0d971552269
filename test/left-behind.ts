/** The test files of a worker share its process: one that leaves something behind fails itself, and not those after it. */
import { afterAll, expect, vi } from 'vitest'
import { undoAll } from './afterwards.ts'

const environment = { ...process.env }
const directory = process.cwd()
const { exitCode } = process

afterAll(async () => {
  await undoAll()
  expect(vi.isFakeTimers(), 'fake timers').toBe(false)
  expect(process.cwd()).toBe(directory)
  expect(process.exitCode).toBe(exitCode)
  expect({ ...process.env }).toEqual(environment)
})
