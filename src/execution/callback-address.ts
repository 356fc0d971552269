/**
 * Where callbacks may go. A URL is user input, so without leave the server must not be made to call what only it can
 * reach: addresses that are not public are refused, written out at submit, resolved at delivery.
 */
import { type LookupAddress, lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { InvalidInput } from '../actors/index.ts'

/** IPv4 that is not globally reachable. Source: IANA IPv4 Special-Purpose Address Registry, and multicast (RFC 5771). */
const SPECIAL_V4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const
/** What of IPv6 is assigned for global unicast (RFC 4291). IPv4-mapped, NAT64, local and multicast lie outside. */
const GLOBAL_V6 = ['2000::', 3] as const
/** Within it: protocol assignments with Teredo, documentation, 6to4. Source: IANA IPv6 Special-Purpose Address Registry. */
const SPECIAL_V6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const

const special = new BlockList()
for (const [net, bits] of SPECIAL_V4) special.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of SPECIAL_V6) special.addSubnet(net, bits, 'ipv6')
const global = new BlockList()
global.addSubnet(...GLOBAL_V6, 'ipv6')

/** Whether anybody can reach the IP address. */
export function isPublicAddress(address: string): boolean {
  const [plain = ''] = address.split('%')
  if (isIP(plain) === 4) return !special.check(plain, 'ipv4')
  return isIP(plain) === 6 && global.check(plain, 'ipv6') && !special.check(plain, 'ipv6')
}

/**
 * The address is one that only this machine or its network can reach. Trying again does not help. The message is recorded
 * as why the callback failed, for its owner to read: it does not say which address a name has in here.
 */
export class PrivateAddress extends Error {
  override readonly name = 'PrivateAddress'
  readonly host: string
  readonly address: string
  constructor(host: string, address: string) {
    super(`${host} is not a public address; allowPrivateCallbacks lets callbacks go there`)
    this.host = host
    this.address = address
  }
}

const LONGEST_URL = 2000

/**
 * What is wrong with a callback's URL as it is written, without asking anybody.
 * @throws InvalidInput at the path `callback_url`
 */
export function checkCallbackUrl(url: string, allowPrivate: boolean): void {
  const wrong = (message: string) =>
    new InvalidInput('The callback cannot be delivered there', [{ path: 'callback_url', message }])
  const parsed = URL.parse(url)
  if (!parsed || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw wrong('must be an http: or https: URL')
  }
  if (url.length > LONGEST_URL) throw wrong(`must have at most ${LONGEST_URL} characters`)
  if (parsed.username !== '' || parsed.password !== '') {
    throw wrong('must have no user or password: it is kept in the log; callbacks are signed instead')
  }
  try {
    if (!allowPrivate) checkHost(parsed.hostname)
  } catch (error) {
    throw error instanceof PrivateAddress ? wrong(error.message) : error
  }
}

/** Refuses a host that is a private address, or a name that always is one. @throws PrivateAddress */
export function checkHost(hostname: string): void {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0) {
    if (!isPublicAddress(host)) throw new PrivateAddress(host, host)
  } else if (/(^|\.)localhost\.?$/.test(host)) {
    throw new PrivateAddress(host, 'this machine')
  }
}

type Resolve = (
  hostname: string,
  options: { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/**
 * A lookup for net.connect that answers with public addresses only. The connection goes to the very addresses that were
 * checked, so a name that means another address a moment later (DNS rebinding) gains nothing.
 */
export function publicLookup(resolve: Resolve = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? []
      const refused = addresses?.find(({ address }) => !isPublicAddress(address))
      if (error || !first) callback(error ?? new Error(`${hostname} has no address`), '')
      else if (refused) callback(new PrivateAddress(hostname, refused.address), '')
      else if (options.all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}
