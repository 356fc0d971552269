/** What people do in a browser. In one file, since they share it: a start of one takes two seconds of processor time. */
import { describe, vi } from 'vitest'
import { otherOrigin } from './browser/other-origin.ts'
import { signIn } from './browser/sign-in.ts'
import { tutorial } from './browser/tutorial.ts'

vi.setConfig({ testTimeout: 90_000, maxConcurrency: 2 })

describe('the tutorial', tutorial)
describe('a page of another origin', otherOrigin)
describe('a browser at a server with keys', signIn)
