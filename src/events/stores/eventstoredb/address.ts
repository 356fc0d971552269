/** Connection strings as people may see them; nothing of the client is loaded for it. */

const SCHEME = /^(?:esdb|kurrentdb|kurrent|kdb)(?:\+discover)?:\/\//

export function isConnectionString(text: string): boolean {
  return SCHEME.test(text.trim())
}

/** Scheme and hosts alone: no user, no password, no parameters, which may name files of keys. */
export function addressOf(url: string): string {
  const text = url.trim()
  const [scheme = ''] = SCHEME.exec(text) ?? []
  const [authority = ''] = text.slice(scheme.length).split(/[/?#]/, 1)
  // A password that was not encoded may hold what ends the hosts: then nothing is sure to be no part of it.
  const isSure = !text.slice(scheme.length + authority.length).includes('@')
  return isSure ? `${scheme}${authority.slice(authority.lastIndexOf('@') + 1)}` : `${scheme}…`
}
