import { describe, expect, test } from 'vitest'
import { type App, currentSession, type MessageHandler } from '../../src/app/index.ts'
import { StoreUnavailable } from '../../src/events/index.ts'
import { CancelledError, TimeoutError } from '../../src/execution/index.ts'
import type { TestApp } from '../../src/testing/index.ts'
import { withAppend } from '../actors/stores.ts'
import { dataOf, gate, running, type Sleep } from './app.ts'

function answering(handler: (...of: [...Parameters<MessageHandler>, Sleep]) => unknown) {
  return (app: App, sleep: Sleep) => {
    app.message((session, message, context) => handler(session, message, context, sleep))
  }
}

/** Messages and what became of them. */
async function states(t: TestApp, sessionId = 's') {
  return (await t.client.transcript(sessionId)).flatMap((item) =>
    item.kind === 'message' ? [`${item.text} ${item.state}`] : [],
  )
}

describe('turns', () => {
  // A promise: see docs/promises.md.
  test('answer each message, one at a time, in order', async () => {
    let now = 0
    let most = 0
    const t = await running(
      answering(async (session, { text }, _, sleep) => {
        most = Math.max(most, ++now)
        await sleep(5)
        await session.reply(`re: ${text}`)
        now--
      }),
    )
    for (const text of ['one', 'two', 'three']) await t.client.say('s', text)
    await t.settle()
    expect(await states(t)).toEqual(['one running', 'two queued', 'three queued'])
    await t.advance(15)
    expect(most).toBe(1)
    expect(await t.client.replies('s')).toEqual(['re: one', 're: two', 're: three'])
    expect(await states(t)).toEqual(['one answered', 'two answered', 'three answered'])
  })

  test('of different conversations run side by side', async () => {
    const t = await running(answering((_, __, ___, sleep) => sleep(5)))
    await t.client.say('a', 'hi')
    await t.client.say('b', 'hi')
    await t.advance(5)
    expect([...(await states(t, 'a')), ...(await states(t, 'b'))]).toEqual(['hi answered', 'hi answered'])
  })

  test('know their session wherever they are', async () => {
    const seen: unknown[] = []
    const t = await running(
      answering(async (session, _, __, sleep) => {
        await sleep(1)
        seen.push(currentSession() === session, currentSession()?.id, session.user.ownerId)
      }),
    )
    await t.client.say('s', 'hi', { owner: 'ada' })
    await t.advance(1)
    expect(seen).toEqual([true, 's', 'ada'])
  })

  test('that fail say why, can be retried, and the next message goes on', async () => {
    let fail = true
    const t = await running(
      answering(async (session, { text }) => {
        if (fail && text === 'one') throw new Error('broken')
        await session.reply(`re: ${text}`)
      }),
    )
    const first = await t.client.say('s', 'one')
    await t.client.say('s', 'two')
    await t.settle()
    expect(await states(t)).toEqual(['one failed', 'two answered'])
    fail = false
    await t.client.retryMessage('s', first)
    await t.settle()
    expect(await t.client.replies('s')).toEqual(['re: two', 're: one'])
    await expect(t.client.retryMessage('s', first)).rejects.toThrow('can be retried')
  })

  test('can be retried as often as they fail, by the message that is shown', async () => {
    let failures = 0
    const t = await running(
      answering(async (session, { text }) => {
        if (++failures <= 3) throw new Error('broken')
        await session.reply(`re: ${text}`)
      }),
    )
    const shown = await t.client.say('s', 'one')
    await t.settle()
    for (let retry = 1; retry <= 3; retry++) {
      expect(await states(t)).toEqual(['one failed'])
      await t.client.retryMessage('s', shown)
      await t.settle()
    }
    expect(await states(t)).toEqual(['one answered'])
    expect(await t.client.replies('s')).toEqual(['re: one'])
  })

  // A promise: see docs/promises.md.
  test('stop when asked to: the signal is aborted, nothing more is said, the next message goes on', async () => {
    let reason: unknown
    let late: unknown
    const t = await running(
      answering(async (session, { text }, { signal }, sleep) => {
        if (text === 'two') return session.reply('re: two')
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        await sleep(60)
        await session.reply('too late').catch((error: unknown) => {
          late = error
        })
      }),
    )
    await t.client.say('s', 'one')
    await t.client.say('s', 'two')
    await t.settle()
    await t.client.stopTurn('s')
    await t.settle()
    expect(reason).toBeInstanceOf(CancelledError)
    expect(await states(t)).toEqual(['one stopped', 'two answered'])
    await t.advance(60)
    expect(late).toMatchObject({ code: 'attempt-fenced' })
    expect(await t.client.replies('s')).toEqual(['re: two'])
    await expect(t.client.stopTurn('s')).rejects.toThrow('Nothing is being answered')
  })

  // A promise: see docs/promises.md.
  test('time out after ten minutes', async () => {
    let reason: unknown
    const { opened } = gate()
    const t = await running(
      answering((_, __, { signal }) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        return opened
      }),
    )
    await t.client.say('s', 'one')
    await t.advance('9m59s')
    expect(await states(t)).toEqual(['one running'])
    await t.advance(1)
    expect(await states(t)).toEqual(['one interrupted'])
    expect(reason).toBeInstanceOf(TimeoutError)
    expect((await t.events('session-s')).at(-1)).toMatchObject({ type: 'TurnInterrupted', data: { cause: 'timeout' } })
  })

  test('a repeated command is one message', async () => {
    const t = await running(answering((session) => session.reply('hi')))
    const first = await t.client.say('s', 'one', { commandId: 'c1' })
    const again = await t.client.say('s', 'one', { commandId: 'c1' })
    await t.settle()
    expect(again).toBe(first)
    expect(await states(t)).toEqual(['one answered'])
  })
})

describe('a crash', () => {
  // A promise: see docs/promises.md.
  test('interrupts the turn, which can be retried; later messages go on, and nothing typed is lost', async () => {
    let crashed = false
    const t = await running(
      answering(async (session, { text }, _, sleep) => {
        if (!crashed) await sleep('5m')
        await session.reply(`re: ${text}`)
      }),
    )
    const first = await t.client.say('s', 'one')
    await t.client.say('s', 'two')
    await t.settle()
    t.crash()
    crashed = true
    await t.restart()
    expect(await states(t)).toEqual(['one interrupted', 'two answered'])
    await t.client.retryMessage('s', first)
    await t.settle()
    expect(await t.client.replies('s')).toEqual(['re: two', 're: one'])
  })

  test.each([
    ['before', 'TurnStarted', ['one answered']],
    ['after', 'TurnStarted', ['one interrupted']],
    ['after', 'TurnCompleted', ['one answered']],
    ['before', 'TurnCompleted', ['one interrupted']],
  ] as const)('%s %s', async (when, type, expected) => {
    const t = await running(answering((session) => session.reply('hi')))
    const crashed = t.crashAt(when, type)
    void t.client.say('s', 'one')
    await crashed
    await t.restart()
    expect(await states(t)).toEqual(expected)
  })
})

describe('a stop of the app', () => {
  test('interrupts a turn that does not end in time', async () => {
    const { opened } = gate()
    const t = await running(answering((session, { text }) => (text === 'one' ? opened : session.reply('hi'))))
    await t.client.say('s', 'one')
    await t.client.say('s', 'two')
    await t.settle()
    expect(await t.stop(5)).toEqual({ clean: false })
    await t.restart()
    expect(await states(t)).toEqual(['one interrupted', 'two answered'])
  })

  test('in a hurry gives a turn back that is on its way to the log, without beginning it', async () => {
    const recorded = gate()
    let began = false
    const t = await running(
      answering((_, __, ___, sleep) => {
        began = true
        return sleep(60)
      }),
      {
        wrapStore: (store) =>
          withAppend(store, (append) => async (...of) => {
            const result = await append(...of)
            if (of[2][0]?.type === 'TurnStarted') await recorded.opened
            return result
          }),
      },
    )
    await t.client.say('s', 'one')
    await t.settle()
    const stopped = t.running.stop({ drainMs: 0 })
    await t.advance(0)
    recorded.open()
    await t.settle()
    expect(began).toBe(false)
    expect(await stopped).toEqual({ clean: false })
    expect(await dataOf(t, 'session-s', 'TurnInterrupted')).toMatchObject([{ cause: 'drain' }])
    t.crash()
  })
})

describe('what handlers say', () => {
  // A promise: see docs/promises.md.
  test('with an id appears once, over all attempts of a task', async () => {
    const t = await running((app) => {
      app.message(() => {})
      app.task('work', { retries: 2 }, async (_, { session, attempt }) => {
        await session?.reply('begun', { id: 'begun' })
        await session?.reply(`attempt ${attempt}`)
        await session?.notify(`at ${attempt}`)
        if (attempt < 3) throw new Error('no')
      })
    })
    await t.client.createSession('s')
    await t.client.submit('work', {}, { sessionId: 's' })
    await t.advance('1m')
    expect(await t.client.replies('s')).toEqual(['begun', 'attempt 1', 'attempt 2', 'attempt 3'])
    expect((await t.events('session-s')).filter(({ type }) => type === 'Replied')).toHaveLength(4)
    const notices = (await t.client.transcript('s')).filter(({ kind }) => kind === 'notice')
    expect(notices).toMatchObject([{ text: 'at 3', earlier: [{ text: 'at 1' }, { text: 'at 2' }] }])
  })

  test('as a stream is recorded at most twice a second, and as a whole in the end', async () => {
    const t = await running(
      answering(async (session, _, __, sleep) => {
        await using writer = session.streamReply()
        for (let n = 0; n < 40; n++) {
          await writer.write(`${n} `)
          await sleep(0.05)
        }
      }),
    )
    await t.client.say('s', 'go')
    await t.advance(1)
    const [reply] = (await t.client.transcript('s')).filter(({ kind }) => kind === 'reply')
    expect(reply).toMatchObject({ streaming: true })
    await t.advance(2)
    const events = await t.events('session-s')
    const streamed = events.filter(({ type }) => type === 'ReplyStreamed')
    expect(streamed.length).toBeLessThanOrEqual(5)
    const whole = Array.from({ length: 40 }, (_, n) => `${n} `).join('')
    expect(await t.client.replies('s')).toEqual([whole])
    const joined = streamed.map(({ data }) => String(data.text)).join('')
    expect(whole.startsWith(joined)).toBe(true)
    for (const { data } of streamed) expect(whole.slice(Number(data.offset))).toMatch(new RegExp(`^${data.text}`))
  })

  test('that is left open ends with its handler, with all that was written; that of one that fails stands', async () => {
    const t = await running((app) => {
      const speak: MessageHandler = async (session, { text }) => {
        const writer = session.streamReply()
        for (const part of ['one ', 'two ', 'three']) await writer.write(part)
        if (text === 'fail') throw new Error('no')
      }
      app.message(speak)
      app.task('speak', (_, { session }) => session && speak(session, { id: 'm', text: '' }, {} as never))
    })
    await t.client.say('s', 'go')
    await t.client.say('s', 'fail')
    await t.client.submit('speak', {}, { sessionId: 's' })
    await t.settle()
    const replies = (await t.client.transcript('s')).filter((item) => item.kind === 'reply')
    expect(replies.map(({ text, streaming }) => [text, streaming])).toEqual(Array(3).fill(['one two three', false]))
    expect(await states(t)).toEqual(['go answered', 'fail failed'])
    expect((await dataOf(t, 'session-s', 'Replied')).length).toBe(2)
    await t.advance(60)
  })

  test('in a block that an error leaves is written anew by the next attempt, with the same id', async () => {
    const t = await running((app) =>
      app.task('tell', { retries: 1, backoff: { base: 1 } }, async (_, { session, attempt }) => {
        if (!session) return
        await using writer = session.streamReply({ id: 'told' })
        await writer.write('It was ')
        if (attempt === 1) throw new Error('no')
        await writer.write('so.')
      }),
    )
    const { sessionId } = await t.running.createSession({ by: 'user:ada', ownerId: 'ada' })
    await t.client.submit('tell', {}, { sessionId })
    await t.settle()
    expect(await t.client.replies(sessionId)).toEqual(['It was '])
    await t.advance(2)
    expect(await t.client.replies(sessionId)).toEqual(['It was so.'])
  })

  test('in a block that is left has been said soon after, though its handler goes on', async () => {
    const t = await running(
      answering(async (session, _, __, sleep) => {
        {
          await using writer = session.streamReply()
          await writer.write('one')
        }
        await sleep(60)
      }),
    )
    await t.client.say('s', 'go')
    await t.advance(1)
    expect(await dataOf(t, 'session-s', 'Replied')).toMatchObject([{ text: 'one' }])
    await t.advance(60)
    expect(await states(t)).toEqual(['go answered'])
  })

  test('that could not be said is said when it is ended again', async () => {
    let isDown = false
    const t = await running(
      answering(async (session) => {
        const writer = session.streamReply()
        await writer.write('a')
        isDown = true
        await writer.end().catch(() => {})
        isDown = false
        await writer.end()
      }),
      {
        wrapStore: (store) =>
          withAppend(store, (append) => async (...of) => {
            if (isDown) throw new StoreUnavailable('disk is gone', { retryable: false })
            return append(...of)
          }),
      },
    )
    await t.client.say('s', 'go')
    await t.settle()
    expect(await dataOf(t, 'session-s', 'Replied')).toMatchObject([{ text: 'a' }])
    expect(await states(t)).toEqual(['go answered'])
  })

  test('to a writer that has ended is an error', async () => {
    const t = await running(
      answering(async (session) => {
        const writer = session.streamReply()
        await writer.write('a')
        await writer.end()
        await writer.end()
        await writer.write('b')
      }),
    )
    await t.client.say('s', 'go')
    await t.settle()
    expect(await t.client.replies('s')).toEqual(['a'])
    expect(await states(t)).toEqual(['go failed'])
  })

  test('data is what was set, whatever is done to it before and after, and nothing where nothing was set', async () => {
    const seen: unknown[] = []
    const t = await running(
      answering(async ({ data }) => {
        const cart = { items: ['x'] }
        const setting = data.set('cart', cart)
        cart.items.push('y')
        await setting
        for (const got of [await data.get('cart'), (await data.all()).cart]) (got as typeof cart).items.push('z')
        seen.push(await data.all(), await data.get('cart'), await data.get('constructor'))
      }),
    )
    await t.client.say('s', 'go')
    await t.settle()
    expect(seen).toEqual([{ cart: { items: ['x'] } }, { items: ['x'] }, undefined])
  })

  // A promise: see docs/promises.md.
  test('data is kept by conversation, also over a restart', async () => {
    const t = await running(
      answering(async (session, { text }) => {
        const count = Number((await session.data.get('count')) ?? 0)
        if (text === 'forget') await session.data.delete('count')
        else await session.data.set('count', count + 1)
        await session.reply(JSON.stringify([await session.data.get('count'), await session.data.all()]))
      }),
    )
    await t.client.say('s', 'one')
    await t.settle()
    await t.restart()
    await t.client.say('s', 'two')
    await t.settle()
    await t.client.say('other', 'one')
    await t.settle()
    await t.client.say('s', 'forget')
    await t.settle()
    expect(await t.client.replies('s')).toEqual(['[1,{"count":1}]', '[2,{"count":2}]', '[null,{}]'])
    expect(await t.client.replies('other')).toEqual(['[1,{"count":1}]'])
  })

  test('history is what was said so far', async () => {
    let history: readonly { role: string; text: string }[] = []
    const t = await running(
      answering(async (session, { text }) => {
        await session.reply(`re: ${text}`)
        history = await session.history({ limit: 3 })
      }),
    )
    for (const text of ['one', 'two']) {
      await t.client.say('s', text)
      await t.settle()
    }
    expect(history.map(({ role, text }) => `${role}: ${text}`)).toEqual([
      'assistant: re: one',
      'user: two',
      'assistant: re: two',
    ])
  })

  test('history has no limit that is no number of things said', async () => {
    const said: string[] = []
    const t = await running(
      answering(async (session) => {
        for (const limit of [-1, 1.5, Number.NaN, '2' as unknown as number]) {
          await session.history({ limit }).catch((error: Error) => said.push(error.message))
        }
        said.push(String((await session.history({ limit: 0 })).length))
      }),
    )
    await t.client.say('s', 'one')
    await t.settle()
    const wrong = (limit: string) => `That is no history: limit: is ${limit}, it must be a whole number from 0`
    expect(said).toEqual([wrong('-1'), wrong('1.5'), wrong('NaN'), wrong('2'), '0'])
  })

  test('history with a limit reaches past what is shown and was not said', async () => {
    let history: readonly { role: string; text: string }[] = []
    const t = await running(
      answering(async (session, { text }) => {
        for (let n = 0; n < 20; n++) await session.showImage(`/${text}-${n}.png`)
        history = await session.history({ limit: 2 })
      }),
    )
    for (const text of ['one', 'two', 'three']) {
      await t.client.say('s', text)
      await t.settle()
    }
    expect(history.map(({ text }) => text)).toEqual(['two', 'three'])
  })

  test('that is no text is an error that says what to use', async () => {
    const t = await running(answering((session) => session.reply({ a: 1 } as unknown as string)))
    await t.client.say('s', 'go')
    await t.settle()
    const [failed] = (await t.events('session-s')).filter(({ type }) => type === 'TurnFailed')
    expect(failed?.data.error).toMatchObject({ message: 'reply() takes text, not object. Use show() for data.' })
  })
})
