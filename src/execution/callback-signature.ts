/** The signature of a callback: lets its receiver know that it comes from this app and is not an old one sent again. */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`: the value of X-Capsule-Signature. */
export function signCallback(secret: string, body: string, seconds: number): string {
  return `t=${seconds},v1=${macOf(secret, body, seconds)}`
}

/**
 * Whether a callback's X-Capsule-Signature fits its body, exactly as received, and is recent. Never with an empty secret, with which
 * anybody could have signed.
 * @param options `now` in milliseconds since the epoch; `toleranceSeconds`: how old it may be, default 300
 */
export function verifyCallback(
  secret: string,
  body: string,
  signature: string | null | undefined,
  options: { readonly now?: number; readonly toleranceSeconds?: number } = {},
): boolean {
  const { now = Date.now(), toleranceSeconds = 300 } = options
  const [, t, v1] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(signature ?? '') ?? []
  if (secret === '' || t === undefined || v1 === undefined) return false
  if (Math.abs(now / 1000 - Number(t)) > toleranceSeconds) return false
  return timingSafeEqual(Buffer.from(v1, 'hex'), Buffer.from(macOf(secret, body, Number(t)), 'hex'))
}

function macOf(secret: string, body: string, seconds: number): string {
  return createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
}
