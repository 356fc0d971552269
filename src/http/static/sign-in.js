/** Signs in with a key, and goes on to the page that was asked for. The key is sent once and kept nowhere. */

const signIn = document.querySelector('#sign-in')
const signOut = document.querySelector('#sign-out')
const problem = document.querySelector('#problem')
const next = ownPath(new URLSearchParams(location.search).get('next'))

const who = await fetch('/api/v1/user')
if (who.ok) {
  document.querySelector('#name').textContent = (await who.json()).name
  document.querySelector('#go').href = next
  document.querySelector('h1').textContent = 'Signed in'
  signIn.hidden = true
  signOut.hidden = false
} else signIn.elements.key.focus()

signIn.addEventListener('submit', async (event) => {
  event.preventDefault()
  problem.textContent = ''
  const refused = await post('/api/v1/user/$sign-in', { key: signIn.elements.key.value })
  if (refused === undefined) location.replace(next)
  else {
    problem.textContent = refused
    signIn.elements.key.select()
  }
})

signOut.addEventListener('submit', async (event) => {
  event.preventDefault()
  await post('/api/v1/user/$sign-out')
  location.replace('/sign-in')
})

/** Undefined when it was done, else why not, in a sentence. */
async function post(path, body) {
  try {
    const answer = await fetch(path, {
      method: 'POST',
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    })
    return answer.ok ? undefined : (await answer.json()).detail
  } catch {
    return 'The server could not be reached. Try again in a moment.'
  }
}

/** A path of this server, whatever a link to here says. */
function ownPath(path) {
  const url = URL.parse(path ?? '/', location.origin)
  return url?.origin === location.origin ? url.pathname + url.search + url.hash : '/'
}
