/** The elements whose code comes when a page has one: in the document, or in a shadow root that says so. */
import { afterEach, expect, test } from 'vitest'
import { load } from '../../web-components/index.ts'

afterEach(() => document.body.replaceChildren())

test('an element of the document is loaded by itself, one in a shadow root when it is asked for', async () => {
  const host = document.createElement('section')
  document.body.append(host)
  host.attachShadow({ mode: 'open' }).innerHTML = '<capsule-page src="http://127.0.0.1:9"></capsule-page>'
  document.body.append(document.createElement('capsule-schedules'))
  await customElements.whenDefined('capsule-schedules')
  expect(customElements.get('capsule-page')).toBeUndefined()
  await load('capsule-page')
  expect(host.shadowRoot?.querySelector('capsule-page')?.shadowRoot).toBeTruthy()
  await load('capsule-page')
})
