/** Where callbacks may go: which addresses are public, what is refused as written, and what only once it is resolved. */
import type { LookupAddress } from 'node:dns'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { InvalidInput, systemClock } from '../../src/actors/index.ts'
import { createApp } from '../../src/app/index.ts'
import {
  checkCallbackUrl,
  isPublicAddress,
  PrivateAddress,
  publicLookup,
} from '../../src/execution/callback-address.ts'
import { httpPost } from '../../src/execution/callback-post.ts'
import { testApp } from '../../src/testing/index.ts'
import { dataOf } from './app.ts'
import { receiver, until } from './receiver.ts'

describe('an address', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:82a::200e',
  ])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true)
  })

  it.each([
    ['this network', '0.0.0.0'],
    ['private', '10.0.0.1'],
    ['private', '10.255.255.255'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['link-local, where clouds keep credentials', '169.254.169.254'],
    ['protocol assignments', '192.0.0.8'],
    ['documentation', '192.0.2.1'],
    ['benchmarks', '198.18.0.1'],
    ['multicast', '224.0.0.1'],
    ['multicast', '239.255.255.250'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['IPv4-mapped loopback', '::ffff:127.0.0.1'],
    ['IPv4-mapped loopback in hex', '::ffff:7f00:1'],
    ['IPv4-mapped private', '::ffff:10.0.0.1'],
    ['IPv4-compatible', '::127.0.0.1'],
    ['NAT64 of a private one', '64:ff9b::a00:1'],
    ['NAT64, local', '64:ff9b:1::a00:1'],
    ['6to4 of a private one', '2002:a00:1::'],
    ['Teredo', '2001::1'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['unique local', 'fc00::1'],
    ['unique local', 'fd12:3456:789a::1'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['no address', 'example.org'],
    ['nothing', ''],
  ])('(%s) %s is not public', (_what, address) => {
    expect(isPublicAddress(address)).toBe(false)
  })
})

describe('a URL', () => {
  it.each([
    'https://example.org/hook',
    'http://example.org:8080/hook?a=b',
    'https://8.8.8.8/',
    'https://[2606:4700:4700::1111]/',
    'https://localhost.example.org/',
  ])('%s is fine as it is written', (url) => {
    expect(() => checkCallbackUrl(url, false)).not.toThrow()
  })

  it.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f.0.0.1/',
    'http://0177.0.0.1/',
    'http://[::1]:3000/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:a9fe:a9fe]/latest/meta-data',
    'http://169.254.169.254/latest/meta-data',
    'http://localhost:3000/',
    'http://LOCALHOST./',
    'http://app.localhost/',
  ])('%s is refused, unless private addresses are allowed', (url) => {
    expect(refusal(url, false)).toEqual([{ path: 'callback_url', message: expect.stringContaining('public address') }])
    expect(() => checkCallbackUrl(url, true)).not.toThrow()
  })

  it.each([
    ['example.org/hook', 'http: or https:'],
    ['ftp://example.org/', 'http: or https:'],
    ['file:///etc/passwd', 'http: or https:'],
    ['https://user:secret@example.org/', 'user or password'],
    [`https://example.org/${'x'.repeat(2000)}`, '2000 characters'],
  ])('%s is refused in any case', (url, why) => {
    expect(refusal(url, true)).toEqual([{ path: 'callback_url', message: expect.stringContaining(why) }])
  })

  function refusal(url: string, allowPrivate: boolean) {
    try {
      checkCallbackUrl(url, allowPrivate)
    } catch (error) {
      if (error instanceof InvalidInput) return error.issues
    }
    return undefined
  }
})

describe('a name', () => {
  const resolvesTo = (...addresses: string[]) =>
    publicLookup((_hostname, _options, callback) =>
      callback(
        null,
        addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    )
  const look = (lookup: ReturnType<typeof publicLookup>, all: boolean) =>
    new Promise((resolve) =>
      lookup('hook.example', { all }, (error, address, family) => resolve(error ?? [address, family])),
    )

  it('of public addresses is connected to at just these', async () => {
    expect(await look(resolvesTo('8.8.8.8', '2606:4700::1'), true)).toEqual([
      [
        { address: '8.8.8.8', family: 4 },
        { address: '2606:4700::1', family: 6 },
      ],
      undefined,
    ])
    expect(await look(resolvesTo('8.8.8.8'), false)).toEqual(['8.8.8.8', 4])
  })

  it('with any private address among them is refused', async () => {
    const error = await look(resolvesTo('8.8.8.8', '10.0.0.7'), true)
    expect(error).toBeInstanceOf(PrivateAddress)
    expect(error).toMatchObject({ host: 'hook.example', address: '10.0.0.7' })
  })

  it('does not tell the address that it has in here: whoever submits reads why a callback failed', async () => {
    const error = await look(resolvesTo('10.0.0.7'), true)
    expect(String(error)).toMatch(/hook\.example is not a public address/)
    expect(String(error)).not.toContain('10.0.0.7')
  })

  it('without an address is an error', async () => {
    expect(await look(resolvesTo(), true)).toMatchObject({ message: 'hook.example has no address' })
  })

  // A promise: see docs/promises.md.
  it('that resolves to a private address is never connected to', async () => {
    let connections = 0
    const server = createServer().on('connection', () => connections++)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const post = httpPost({ clock: systemClock, allowPrivate: false, lookup: resolvesTo('127.0.0.1') })
    const delivery = { body: '{}', headers: {}, signal: new AbortController().signal }
    await expect(post({ ...delivery, url: `http://hook.example:${port}/` })).rejects.toBeInstanceOf(PrivateAddress)
    await expect(post({ ...delivery, url: `http://127.0.0.1:${port}/` })).rejects.toBeInstanceOf(PrivateAddress)
    expect(connections).toBe(0)
  })
})

describe('without allowPrivateCallbacks', () => {
  // A promise: see docs/promises.md.
  it('a submit with a private address is refused, and nothing is recorded', async () => {
    const app = createApp({ name: 'demo' })
    app.task('work', async () => {})
    await using t = await testApp(app)
    const before = (await t.events()).length
    const submitting = t.client.submit('work', {}, { callbackUrl: 'http://192.168.0.1/' })
    await expect(submitting).rejects.toMatchObject({ code: 'invalid-input', issues: [{ path: 'callback_url' }] })
    expect(await t.events()).toHaveLength(before)
  })

  it('what was allowed when it was submitted is refused at delivery, at once and for good', async () => {
    const hook = await receiver()
    const declare = (allowPrivateCallbacks: boolean) => {
      const app = createApp({ name: 'demo', allowPrivateCallbacks })
      app.task('work', async () => {})
      return app
    }
    await using t = await testApp(declare(true))
    const id = await t.client.submit('work', {}, { callbackUrl: hook.url, delay: 60 })
    await t.restart(declare(false))
    await t.advance(60)
    await until(async () => (await dataOf(t, `task-${id}`, 'CallbackFailed')).length === 1)
    expect(await dataOf(t, `task-${id}`, 'CallbackFailed')).toMatchObject([
      { url: hook.url, tries: 1, reason: expect.stringContaining('127.0.0.1 is not a public address') },
    ])
    expect(hook.received).toEqual([])
  })
})
